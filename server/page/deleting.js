// Asks before pictures are deleted, in a dialog of the browser's own: Escape keeps them.

import { byId, say } from "./dom.js";
import { readyPlaces } from "./job_state.js";
import { deletionWords } from "./words.js";

/** Whether the person wants what the job made to be gone for good. */
export function agreedToDelete(job) {
  const dialog = byId("deleting");
  say(byId("deleting-what"), deletionWords(readyPlaces(job).length, Boolean(job.master)));
  say(byId("deleting-prompt"), job.prompt);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "delete"), { once: true });
  });
}

export function prepareDeleting() {
  const dialog = byId("deleting");
  byId("deleting-keep").addEventListener("click", () => dialog.close(""));
  byId("deleting-go").addEventListener("click", () => dialog.close("delete"));
}
