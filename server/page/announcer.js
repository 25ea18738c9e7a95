// Speaks to screen readers, politely: the newest news of each subject, at most every few seconds.

import { byId } from "./dom.js";

const PAUSE_MS = 3_000;

const waiting = new Map();
let timer = 0;

function speak() {
  timer = 0;
  if (waiting.size === 0) return;
  byId("news").textContent = [...waiting.values()].join(". ");
  waiting.clear();
  timer = setTimeout(speak, PAUSE_MS);
}

/** Says `text` about `subject`; what was still to be said about it is dropped. */
export function announce(subject, text) {
  waiting.set(subject, text);
  timer ||= setTimeout(speak, 150);
}
