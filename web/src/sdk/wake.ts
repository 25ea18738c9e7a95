/** When a page comes back to life: it is shown again, comes out of the browser's cache, or has a network again. */

const NAMES = ["online", "pageshow", "visibilitychange"];

/** Has `wake` called whenever that happens; where there is no page, never. Gives what ends it. */
export function onWake(wake: () => void): () => void {
  const woken = ({ type }: Event) => (type === "visibilitychange" && document.hidden) || wake();
  for (const name of NAMES) globalThis.addEventListener?.(name, woken);
  return () => {
    for (const name of NAMES) globalThis.removeEventListener?.(name, woken);
  };
}

export const isOffline = (): boolean => globalThis.navigator?.onLine === false;
