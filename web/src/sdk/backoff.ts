/** Pauses between attempts, and what ends them early. */

/**
 * How long to wait before attempt `failures` + 1, in ms: anything up to a bound that doubles, 30 s at most. Clients that
 * lost a server together do not come back together.
 */
export const backoff = (failures: number): number => Math.random() * 1_000 * Math.min(30, 2 ** failures);

/** Sets a timer anew, or only takes it back when there is nothing to do. */
export type Alarm = (ms?: number, act?: () => void) => void;

/** One timer, set for one thing at a time, and for 5 minutes at the most. */
export function createAlarm(): Alarm {
  let timer: ReturnType<typeof setTimeout>;
  return (ms = 0, act) => {
    clearTimeout(timer);
    if (act) timer = setTimeout(act, Math.min(ms, 300_000));
  };
}

/** Acts once, when the signal is given up, or now if it was. Gives what forgets that. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted) act();
  else signal?.addEventListener("abort", act);
  return () => signal?.removeEventListener("abort", act);
}

/** Acts after so long, or when the signal is given up, whichever comes first. Gives what forgets that. */
export function within(ms: number, signal: AbortSignal | undefined, act: () => void): () => void {
  const timer = setTimeout(act, ms);
  const forget = onAbort(signal, act);
  return () => {
    clearTimeout(timer);
    forget();
  };
}

/** Waits so long, or until the signal is given up. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  let forget = () => {};
  await new Promise<void>((resolve) => {
    forget = within(ms, signal, resolve);
  });
  forget();
}
