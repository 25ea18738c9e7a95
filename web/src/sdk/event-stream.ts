/**
 * One connection to a stream, from its request to its end. It says what came of it, and leaves it to others to begin
 * again. A stream that says nothing for long is given up: the server sends a comment every 15 s.
 */

import { createParser } from "eventsource-parser";
import type { Http } from "./http";
import { problemOf } from "./problem";

export interface StreamListener {
  frame(data: string, id: string | undefined): void;
  /** How long the server wants clients to wait before they come back, in ms. */
  retry(ms: number): void;
  /** Something came, be it a comment. */
  alive(): void;
  /** Nothing gets through, or nothing but the beginning: somebody on the way holds the answer back. */
  mute(): void;
}

/** How long silence is borne, in ms, and how long a frame may be, in characters. */
export interface Patience {
  firstByteMs: number;
  idleMs: number;
  longestFrame: number;
}

/**
 * Reads a stream to its end: true when there is more to come on another one, false when the server said that there is not.
 *
 * Rejects with `ProblemError` for a status that is no stream, or whatever broke it.
 */
export async function readStream(
  http: Http,
  path: string,
  lastEventId: string | undefined,
  on: StreamListener,
  { firstByteMs, idleMs, longestFrame }: Patience,
  signal: AbortSignal,
): Promise<boolean> {
  const patience = new AbortController();
  const line = AbortSignal.any([signal, patience.signal]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource | undefined;
  const within = (ms: number, isMute: boolean) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (isMute) on.mute();
      patience.abort();
    }, ms);
  };
  try {
    within(firstByteMs, true);
    if (!canStream()) {
      const after = lastEventId ? `${path.includes("?") ? "&" : "?"}after=${lastEventId}` : "";
      source = new EventSource(http.url(path + after), { withCredentials: http.credentials === "include" });
      return await readEventSource(source, on, line, () => clearTimeout(timer));
    }
    const response = await http.open(path, lastEventId, line);
    if (response.status === 204) return false;
    if (!response.ok) throw await problemOf(response);
    const reader =
      response.headers.get("content-type")?.startsWith("text/event-stream") && response.body?.getReader();
    if (!reader) throw new Error("Somebody else answered.");
    const decoder = new TextDecoder();
    const parser = createParser({
      onEvent: ({ data, id }) => on.frame(data, id),
      onRetry: on.retry,
      maxBufferSize: longestFrame, // beyond it, the parser takes no more
    });
    let began = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      began ||= Date.now();
      within(idleMs, Date.now() - began < firstByteMs / 5); // perhaps no more than its beginning
      on.alive();
      parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(timer);
    source?.close();
    patience.abort();
  }
}

/** Whether the answers of `fetch` can be read while they come. */
const canStream = () => typeof Response === "function" && "body" in Response.prototype;

/** The same by an `EventSource`, which tells neither a status nor a comment: its silence means nothing. */
const readEventSource = (source: EventSource, on: StreamListener, line: AbortSignal, heard: () => void) =>
  new Promise<never>((_, reject) => {
    source.onmessage = ({ data, lastEventId }) => {
      heard();
      on.alive();
      on.frame(data, lastEventId);
    };
    source.onerror = line.onabort = () => reject(new Error("The stream has broken off."));
  });
