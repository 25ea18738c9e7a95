/** What screen readers are told, politely: the newest news of each subject, at most every few seconds. */

export const PAUSE_MS = 3_000;
const FIRST_MS = 150;

export class Announcer {
  #waiting = new Map<string, string>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  #listeners = new Set<() => void>();
  #said = "";

  /** Says `text` about `subject`; what was still to be said about it is dropped. */
  announce = (subject: string, text: string): void => {
    this.#waiting.set(subject, text);
    this.#timer ??= setTimeout(this.#speak, FIRST_MS);
  };

  /** What is to stand in the live region now. */
  said = (): string => this.#said;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #speak = (): void => {
    this.#timer = null;
    if (this.#waiting.size === 0) return;
    this.#said = [...this.#waiting.values()].join(". ");
    this.#waiting.clear();
    for (const listener of this.#listeners) listener();
    this.#timer = setTimeout(this.#speak, PAUSE_MS);
  };
}

/** The studio's only voice. */
export const announcer = new Announcer();
export const { announce } = announcer;
