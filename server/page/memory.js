// What this browser remembers between visits: the chosen places, and a prompt not yet sent. Storage may be forbidden
// or full; then the page simply forgets.

const PLACES = "snapasset.places";
const DRAFT = "snapasset.draft";

function read(area, key) {
  try {
    return JSON.parse(area().getItem(key));
  } catch {
    return null;
  }
}

function write(area, key, value) {
  try {
    area().setItem(key, JSON.stringify(value));
  } catch {
    return;
  }
}

const lasting = () => window.localStorage;
const passing = () => window.sessionStorage;

/** Names of the places chosen last, or null when none were ever chosen. */
export function rememberedPlaces() {
  const names = read(lasting, PLACES);
  return Array.isArray(names) ? names.filter((name) => typeof name === "string") : null;
}

export const rememberPlaces = (names) => write(lasting, PLACES, names);

/** The prompt that was being typed in this tab. */
export function rememberedDraft() {
  const text = read(passing, DRAFT);
  return typeof text === "string" ? text : "";
}

export const rememberDraft = (text) => write(passing, DRAFT, text);
