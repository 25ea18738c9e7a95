/**
 * Requests to the server: addresses, identity, JSON in and out, problems as errors. What is sent twice by itself is only
 * what carries an Idempotency-Key, which makes nothing twice.
 */

import { backoff, pause } from "./backoff";
import { broken, ProblemError, problemOf } from "./problem";

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

export interface Asked {
  body?: unknown;
  query?: Readonly<Record<string, unknown>> | undefined;
  /** Makes a POST safe to repeat, which is done: a few times, when the answer is lost or says "later". */
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  /** A status of failure that comes with an answer like any other. */
  unwell?: number;
}

export interface Http {
  /** One request. Rejects with `ProblemError`, `ConnectionLost`, or the signal's reason. A 204 gives undefined. */
  request<T>(method: string, path: string, asked?: Asked): Promise<T>;
  /** Begins to read a stream. Rejects like a request, or with what `fetch` says. */
  open(path: string, lastEventId?: string, signal?: AbortSignal): Promise<Response>;
  url(path: string): string;
  readonly credentials: RequestCredentials | undefined;
}

const REPEATS = 4;
const PATIENCE_SECONDS = 30;

export const pathOf = (list: string, id: string): string => `/api/${list}/${encodeURIComponent(id)}`;
export const jobPath = (jobId: string): string => pathOf("jobs", jobId);

const now = <T extends string | HeadersInit>(given: Answered<T> | undefined) =>
  typeof given === "function" ? given() : given;

export function createHttp(options: HttpOptions): Http {
  const { baseUrl = "", credentials } = options;
  const url = (path: string) => baseUrl.replace(/\/$/, "") + path;

  async function send(
    path: string,
    init: RequestInit,
    named: Record<string, unknown>,
    unwell?: number,
  ): Promise<Response> {
    const headers = new Headers(await now(options.headers));
    const token = await now(options.token);
    const more = { ...named, "x-session-id": options.sessionId, authorization: token && `Bearer ${token}` };
    for (const [name, value] of Object.entries(more)) if (value) headers.set(name, value as string);
    const response = await (options.fetch ?? fetch)(url(path), {
      ...init,
      ...({ headers, credentials, cache: "no-store" } as RequestInit),
    });
    if (!response.ok && response.status !== unwell) throw await problemOf(response);
    return response;
  }

  return {
    url,
    credentials,
    async request(method, path, { body, query = {}, idempotencyKey, signal, unwell } = {}) {
      const search = new URLSearchParams(JSON.parse(JSON.stringify(query))); // without what is undefined
      for (let failures = 0; ; failures++) {
        try {
          const patience = AbortSignal.timeout(PATIENCE_SECONDS * 1000);
          const response = await send(
            search.size ? `${path}?${search}` : path,
            {
              method,
              signal: signal ? AbortSignal.any([signal, patience]) : patience,
              body: JSON.stringify(body) ?? null, // of undefined nothing is made
            },
            { "content-type": body && "application/json", "idempotency-key": idempotencyKey },
            unwell,
          );
          return response.status === 204 ? undefined : await response.json();
        } catch (cause) {
          signal?.throwIfAborted();
          const error = cause instanceof ProblemError ? cause : broken(cause);
          const { retryable = true, retryAfter = 0 } = error as Partial<ProblemError>;
          // Nobody waits for long; who is to come back much later is told so.
          if (!idempotencyKey || !retryable || failures >= REPEATS || retryAfter > PATIENCE_SECONDS)
            throw error;
          await pause(retryAfter * 1000 + backoff(failures), signal);
        }
      }
    },
    open: (path, lastEventId, signal) =>
      send(path, { signal: signal ?? null }, { accept: "text/event-stream", "last-event-id": lastEventId }),
  };
}
