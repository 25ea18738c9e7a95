/** Pauses between attempts, and what ends them early. */

/**
 * How long to wait before attempt `failures` + 1, in ms: anything up to a bound that doubles, 30 s at most. Clients that
 * lost a server together do not come back together.
 */
export const backoff = (failures: number, baseMs = 1_000): number =>
  Math.random() * Math.min(30_000, baseMs * 2 ** failures);

/** Acts once, when the signal is given up, or now if it was. Gives what forgets that. */
export function onAbort(signal: AbortSignal | null | undefined, act: () => void): () => void {
  if (signal?.aborted) act();
  else signal?.addEventListener("abort", act, { once: true });
  return () => signal?.removeEventListener("abort", act);
}

/** Waits, or rejects with the signal's reason as soon as that is given up. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      reject(signal?.reason);
    });
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, ms);
  });
