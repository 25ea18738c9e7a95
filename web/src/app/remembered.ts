/**
 * What this browser remembers between visits. Storage may be forbidden or full: then the studio simply forgets.
 *
 * Whatever is read is checked, as other versions, or people, may have written it.
 */

import type { Fit, ImageType } from "./served/server";

const PREFIX = "snapasset.";
const HISTORY_LENGTH = 30;

function read(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? "null");
  } catch {
    return null;
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    return;
  }
}

const strings = (value: unknown): string[] | null =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : null;

export type Theme = "light" | "dark" | "system";
export const THEMES: readonly Theme[] = ["light", "dark", "system"];

export const remembered = {
  draft: (): string => {
    const draft = read("draft");
    return typeof draft === "string" ? draft : "";
  },
  places: (): string[] | null => strings(read("places")),
  history: (): string[] => strings(read("history")) ?? [],
  imageType: (): ImageType => (read("look") === "natural" ? "natural" : "vivid"),
  fit: (): Fit => {
    const fit = read("fit");
    return fit === "centre" || fit === "contain" ? fit : "cover";
  },
  theme: (): Theme => THEMES.find((theme) => theme === read("theme")) ?? "system",
  singleKeys: (): boolean => read("keys") !== false,
};

export const remember = {
  draft: (text: string) => write("draft", text),
  places: (names: readonly string[]) => write("places", names),
  imageType: (look: ImageType) => write("look", look),
  fit: (fit: Fit) => write("fit", fit),
  theme: (theme: Theme) => write("theme", theme),
  singleKeys: (on: boolean) => write("keys", on),
  /** Puts a prompt first among those that were sent; each is kept once. */
  sent: (prompt: string) => {
    const others = remembered.history().filter((one) => one !== prompt);
    write("history", [prompt, ...others].slice(0, HISTORY_LENGTH));
  },
  noHistory: () => write("history", []),
};
