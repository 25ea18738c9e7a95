/**
 * Handing jobs in so that what is asked for once is made, and paid for, once. A request whose answer is lost may have been taken
 * on all the same: it keeps its key, and whoever asks the same again, by whatever button, finds the job it made. The keys stay with
 * the tab, so that a reload while a request is on its way changes nothing.
 */

import { ProblemError } from "./server";

const PLACE = "snapasset.unanswered";
const IMPOSSIBLE = 422;

function kept(): Map<string, string> {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(PLACE) ?? "[]"));
  } catch {
    return new Map();
  }
}

/** By what was asked for, the key of each request that was sent and not answered yet. */
const unanswered = kept();

function keep(): void {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify([...unanswered]));
  } catch {
    return;
  }
}

/** A number that no other request has; `randomUUID` is not there on every address. */
const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * Sends what is asked for under a key, the one it had before unless that brought a job. Rejects as `send` does.
 *
 * The key is dropped where the server says that nothing can come of this request (422), or nothing of this key; any other
 * failure leaves open what became of an earlier try.
 */
export async function handIn<T>(asked: unknown, send: (idempotencyKey: string) => Promise<T>): Promise<T> {
  const name = JSON.stringify(asked);
  const key = unanswered.get(name) ?? newKey();
  const close = () => {
    unanswered.delete(name);
    keep();
  };
  unanswered.set(name, key);
  keep();
  try {
    const answer = await send(key);
    close();
    return answer;
  } catch (error) {
    if (error instanceof ProblemError && error.status === IMPOSSIBLE) close();
    throw error;
  }
}
