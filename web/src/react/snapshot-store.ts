/**
 * Something that changes outside of React, read by `useSyncExternalStore`. It is at work from its first listener to its last.
 */

export abstract class SnapshotStore<S extends object> {
  #state: S;
  readonly #listeners = new Set<() => void>();

  constructor(state: S) {
    this.#state = state;
  }

  /** A snapshot: replaced, never changed, and the same one until something is another. */
  readonly read = (): S => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    this.begin();
    return () => {
      this.#listeners.delete(listener);
      // React lets all go before it takes anything up again (StrictMode, another key): that is no reason to stop.
      queueMicrotask(() => this.isHeld || this.end());
    };
  };

  protected get isHeld(): boolean {
    return this.#listeners.size > 0;
  }

  /** Begins to work, unless it does. */
  protected abstract begin(): void;

  /** Stops, unless it has. */
  protected abstract end(): void;

  protected set(news: Partial<S>): void {
    const names = Object.keys(news) as (keyof S)[];
    if (names.every((name) => Object.is(news[name], this.#state[name]))) return;
    this.#state = { ...this.#state, ...news };
    for (const listener of this.#listeners) listener();
  }
}
