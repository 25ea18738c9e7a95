/** When a page comes back to life: it is shown again, comes out of the browser's cache, or has a network again. */

/** Has `wake` called whenever that happens to a page that is to be seen, until the signal is given up. */
export function onWake(wake: () => void, signal: AbortSignal): void {
  const woken = () => globalThis.document?.hidden || wake();
  for (const name of ["online", "pageshow", "visibilitychange"])
    globalThis.addEventListener?.(name, woken, { signal });
}

export const isOffline = (): boolean => globalThis.navigator?.onLine === false;
