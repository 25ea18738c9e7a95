/** Light, dark, or as the system has it: an attribute of the document, remembered, the same in every tab. */

import { useSyncExternalStore } from "react";
import { remember, remembered, type Theme } from "../remembered";

const listeners = new Set<() => void>();

/** Puts the remembered choice onto the document; to be called before anything is drawn. */
export function applyTheme(): void {
  const theme = remembered.theme();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener();
}

export function chooseTheme(theme: Theme): void {
  remember.theme(theme);
  applyTheme();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("storage", applyTheme);
  return () => {
    listeners.delete(listener);
    removeEventListener("storage", applyTheme);
  };
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, remembered.theme, () => "system");
