/** What a page goes through: it is hidden and shown again, comes out of the browser's cache, loses its network and gets it back. */

/** Has `act` called at each of these events, until the signal is given up. */
export function onPage(
  act: () => void,
  signal: AbortSignal,
  events = ["online", "pageshow", "visibilitychange"],
): void {
  for (const event of events) globalThis.addEventListener?.(event, () => act(), { signal });
}

export const isHidden = (): boolean | undefined => globalThis.document?.hidden;

/**
 * Whether the few connections that a browser has to a server are for the pages that are looked at: this one is hidden, and
 * has no locks with which to share one. Pages have none that came neither by HTTPS nor from this machine.
 */
export const isResting = (): boolean | undefined => isHidden() && !navigator.locks;

export const isOffline = (): boolean => globalThis.navigator?.onLine === false;
