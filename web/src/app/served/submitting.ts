/**
 * Handing jobs in so that what is asked for once is made, and paid for, once. A request whose answer is lost may have been taken
 * on all the same: it keeps its key, and whoever asks the same again, by whatever button, finds the job it made. The keys stay with
 * the tab, so that a reload while a request is on its way changes nothing.
 */

import { ProblemError } from "./server";

const PLACE = "snapasset.unanswered";
const IMPOSSIBLE = 422;

/** How long a lost answer is held to be of the same wish: who asks for the same words later wants them once more. */
const REMEMBERED_MS = 15 * 60_000;

interface Sent {
  key: string;
  at: number;
}

function kept(): Map<string, Sent> {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(PLACE) ?? "[]"));
  } catch {
    return new Map();
  }
}

/** By what was asked for, each request that was sent and not answered yet. */
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
 * Sends what is asked for under a key, the one it had shortly before unless that brought a job. Rejects as `send` does.
 *
 * The key is dropped where the server says that nothing can come of this request (422), or nothing of this key; any other
 * failure leaves open what became of an earlier try.
 */
export async function handIn<T>(asked: unknown, send: (idempotencyKey: string) => Promise<T>): Promise<T> {
  const name = JSON.stringify(asked);
  const earlier = unanswered.get(name);
  const isSame = earlier !== undefined && Date.now() - earlier.at < REMEMBERED_MS;
  const sent = isSame ? earlier : { key: newKey(), at: Date.now() };
  const close = () => {
    if (unanswered.get(name) === sent) unanswered.delete(name); // else it is another's by now
    keep();
  };
  unanswered.set(name, sent);
  keep();
  try {
    const answer = await send(sent.key);
    close();
    return answer;
  } catch (error) {
    if (error instanceof ProblemError && error.status === IMPOSSIBLE) close();
    throw error;
  }
}
