/** One connection to a stream, from its request to its end. It says what comes, and leaves it to others to begin again. */

import { createParser } from "eventsource-parser";
import { broken } from "./problem";
import type { Setting } from "./setting";

export interface Frame {
  data: string;
  /** Where to go on after it. */
  id?: string | undefined;
}

/** How long the server wants clients to wait before they come back. */
export interface Retry {
  /** In ms. */
  value: number;
}

/**
 * Reads a stream to its end: true when there is more to come on another one, false when the server said that there is not.
 * `heard` is told what comes, and nothing after all that came, be it a comment.
 *
 * Rejects with `ProblemError` for a status that is no stream, or whatever broke it.
 */
export async function readStream(
  { http }: Setting,
  path: string,
  lastId: string | undefined,
  heard: (told?: Frame | Retry) => void,
  signal: AbortSignal,
): Promise<boolean> {
  // Where answers cannot be read while they come. It tells no status and no comment, and begins anew each time.
  if (!("body" in Response.prototype))
    return new Promise((_, reject) => {
      const source = new EventSource(http.url(path), { withCredentials: http.credentials === "include" });
      source.onmessage = ({ data, lastEventId }) => heard({ data, id: lastEventId });
      source.onerror = signal.onabort = () => {
        source.close();
        reject(broken());
      };
    });
  const { status, headers, body } = await http.open(path, signal, lastId);
  if (status === 204) return false;
  if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) throw broken();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = createParser(heard);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    parser.feed(value);
    heard();
  }
}
