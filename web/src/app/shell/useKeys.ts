import { useEffect } from "react";
import { remembered } from "../remembered";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

/** Keys of the whole page, by what they type; not heard while one writes, under a dialog, or when switched off. */
export function useKeys(keys: Record<string, () => void>): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (!remembered.singleKeys() || document.querySelector("dialog[open]")) return;
      if (event.target instanceof Element && event.target.matches(TYPING)) return;
      event.preventDefault();
      act();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [keys]);
}
