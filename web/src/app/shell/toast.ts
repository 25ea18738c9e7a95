/** A short word about what was just done, shown for a moment and told to screen readers. */

import { announce } from "./announcer";

const SHOWN_MS = 4_000;

const listeners = new Set<() => void>();
let text = "";
let timer: ReturnType<typeof setTimeout> | undefined;

function put(words: string): void {
  text = words;
  for (const listener of listeners) listener();
}

export function toast(words: string): void {
  clearTimeout(timer);
  put(words);
  announce("toast", words);
  timer = setTimeout(() => put(""), SHOWN_MS);
}

export const toasted = (): string => text;

export function onToast(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
