/** What can go wrong between a caller and the server: it said no (`ProblemError`), or nothing at all (`ConnectionLost`). */

import type { FieldProblem, Problem } from "./types";

/** A refusal or failure that the server told (RFC 9457), or an answer that is not the service's own. */
export class ProblemError extends Error {
  override name = "ProblemError";
  declare readonly status: number;
  /** Never changes for one cause; `http_` and the status where the answer was none of the service's. */
  declare readonly code: string;
  /** A sentence for a person. */
  declare readonly detail: string;
  /** Whether the same request may succeed later. */
  declare readonly retryable: boolean;
  /** What the server's log knows it by. */
  declare readonly requestId: string | null;
  /** Seconds after which to try again, where the server said so. */
  declare readonly retryAfter: number | undefined;
  /** What is wrong with which fields. */
  declare readonly fields: readonly FieldProblem[] | undefined;

  constructor(status: number, body?: Partial<Problem> | null, retryAfter?: number) {
    const {
      code = `http_${status}`,
      title = code,
      detail = title,
      requestId = null,
      retryable = isTransient(status),
      errors: fields,
    } = body ?? {};
    super(detail);
    Object.assign(this, { status, code, detail, retryable, requestId, retryAfter, fields });
  }
}

/** No answer, half of one, or one by somebody else on the way. Whether the request was done is not known. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** There was to be more. */
export const broken = (cause?: unknown): ConnectionLost => new ConnectionLost("Connection lost.", { cause });

/** Whether a status says "not now" rather than "no". */
const isTransient = (status: number): boolean => status >= 500 || [408, 425, 429].includes(status);

/** Whether an error ends what it happened to: the server said no, and will say so again. */
export const isRefusal = (error: unknown): error is ProblemError =>
  error instanceof ProblemError && !isTransient(error.status);

/** How long the server wants to be left alone, in ms. */
export const askedMs = (error: unknown): number =>
  ((error as Partial<ProblemError> | undefined)?.retryAfter ?? 0) * 1_000;

/** The refusal that an answer is; its body may be anything. `Retry-After` counts when it is in seconds. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const body = await response.json().catch(() => {});
  const after = Number(response.headers.get("retry-after"));
  return new ProblemError(response.status, body, after || undefined);
}
