/** One connection to a stream, from its request to its end. It says what comes, and leaves it to others to begin again. */

import { createParser } from "eventsource-parser";
import { broken } from "./problem";
import type { Setting } from "./setting";

export interface Frame {
  data: string;
  /** Where to go on after it. */
  id?: string | undefined;
}

/**
 * Reads a stream to its end: true when there is more to come on another one, false when the server said that there is not.
 * `heard` is told each frame, and nothing after all else that came, be it a comment. `retry` is told how long the server
 * wants clients to wait before they come back, in ms.
 *
 * Rejects with `ProblemError` for a status that is no stream, or whatever broke it.
 */
export async function readStream(
  { http }: Setting,
  path: string,
  lastId: string | undefined,
  heard: (frame?: Frame) => void,
  retry: (ms: number) => void,
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
  const { status, headers, body } = await http.open(path, lastId, signal);
  if (status === 204) return false;
  if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) throw broken();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = createParser((told) => {
    if (told.type === "event") heard(told);
    else retry(told.value);
  });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return true;
    parser.feed(value);
    heard();
  }
}
