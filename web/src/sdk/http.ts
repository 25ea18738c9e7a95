/**
 * Requests to the server: addresses, identity, JSON in and out, problems as errors. What is sent twice by itself is only
 * what carries an Idempotency-Key, which makes nothing twice.
 */

import { backoff, pause, within } from "./backoff";
import { askedMs, broken, ProblemError, problemOf } from "./problem";

type Answered<T> = T | (() => T | Promise<T>);

/** Where the server is, and as whom it is asked. Functions are asked before each request. */
export interface HttpOptions {
  /** Where the server is; the page's own origin when not given. */
  baseUrl?: string;
  fetch?: typeof fetch;
  headers?: Answered<HeadersInit>;
  /** A user's token, sent as `Authorization: Bearer`. */
  token?: Answered<string>;
  /** A session of the caller's making, sent as `x-session-id`: 22 to 128 characters that are hard to guess. */
  sessionId?: string | undefined;
  /** Whether cookies go along; to another origin only with `include`. */
  credentials?: RequestCredentials;
}

/** What goes with a request; whatever else there is in it is the query. */
export interface Asked {
  body?: unknown;
  /** Makes a POST safe to repeat, which is done: a few times, when the answer is lost or says "later". */
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  /** A status of failure that comes with an answer like any other. */
  unwell?: number;
  /** Of the query: the number of the event after which a timeline is read. */
  after?: number;
}

export interface Http {
  /** One request. Rejects with `ProblemError`, `ConnectionLost`, or the signal's reason. A 204 gives undefined. */
  request<T>(path: string, asked?: Asked, method?: string): Promise<T>;
  /** Begins to read a stream. Rejects like a request, or with what `fetch` says. */
  open(path: string, signal: AbortSignal | undefined, lastEventId?: string): Promise<Response>;
  url(path: string): string;
  readonly credentials: RequestCredentials | undefined;
}

export const pathOf = (list: string, id: string): string => `/api/${list}/${encodeURIComponent(id)}`;
export const jobPath = (jobId: string): string => pathOf("jobs", jobId);

const now = <T extends string | HeadersInit>(given: Answered<T> | undefined) =>
  typeof given === "function" ? given() : given;

export function createHttp(options: HttpOptions): Http {
  const { baseUrl = "", credentials } = options;
  const url = (path: string) => baseUrl.replace(/\/$/, "") + path;
  const repeats = 4;
  const patienceMs = 30_000;

  async function send(
    path: string,
    init: { method?: string; body?: string; signal: AbortSignal | undefined },
    named: Record<string, unknown>,
    unwell?: number,
  ): Promise<Response> {
    const headers = new Headers(await now(options.headers));
    const set = (name: string, value: unknown, scheme = "") => value && headers.set(name, scheme + value);
    for (const name in named) set(name, named[name]);
    set("x-session-id", options.sessionId);
    set("authorization", await now(options.token), "Bearer ");
    const response = await (options.fetch ?? fetch)(url(path), {
      ...(init as RequestInit),
      ...({ headers, credentials, cache: "no-store" } as RequestInit),
    });
    if (!response.ok && response.status !== unwell) throw await problemOf(response);
    return response;
  }

  return {
    url,
    credentials,
    async request(path, { body, idempotencyKey, signal, unwell, ...query } = {}, method = "GET") {
      const search = `${new URLSearchParams(JSON.parse(JSON.stringify(query)))}`; // without what is undefined
      for (let failures = 0; ; failures++) {
        const attempt = new AbortController();
        const forget = within(patienceMs, signal, () => attempt.abort());
        try {
          const response = await send(
            path + (search && `?${search}`),
            {
              method,
              signal: attempt.signal,
              body: JSON.stringify(body), // of undefined nothing is made
            },
            { "content-type": body && "application/json", "idempotency-key": idempotencyKey },
            unwell,
          );
          return response.status === 204 ? undefined : await response.json();
        } catch (cause) {
          signal?.throwIfAborted();
          const error = cause instanceof ProblemError ? cause : broken(cause);
          const { retryable = true } = error as Partial<ProblemError>;
          const asked = askedMs(error);
          // Nobody waits for long; who is to come back much later is told so.
          if (!idempotencyKey || !retryable || failures >= repeats || asked > patienceMs) throw error;
          await pause(asked + backoff(failures), signal);
        } finally {
          forget();
        }
      }
    },
    open: (path, signal, lastEventId) =>
      send(path, { signal }, { accept: "text/event-stream", "last-event-id": lastEventId }),
  };
}
