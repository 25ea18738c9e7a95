// One picture large, over the page: arrow keys go to the next, Escape closes.

import { saveUrl } from "./api.js";
import { byId, say } from "./dom.js";
import { readyPlaces, shotOf } from "./job_state.js";
import { formatWords, sizeWords } from "./words.js";

let pictures = [];
let at = 0;

function show(index) {
  at = (index + pictures.length) % pictures.length;
  const { image, label, prompt } = pictures[at];
  say(
    byId("viewer-title"),
    `${label} · ${image.width} × ${image.height} · ${formatWords(image.contentType)} · ${sizeWords(image.size)}`,
  );
  const shown = byId("viewer-image");
  shown.width = image.width;
  shown.height = image.height;
  shown.src = image.url;
  shown.alt = `${label}: ${prompt}`;
  byId("viewer-save").href = saveUrl(image);
  for (const step of ["viewer-back", "viewer-next"]) byId(step).hidden = pictures.length < 2;
}

/** Opens the picture of a platform; the job's other ready pictures are its neighbours. */
export function view(job, platform, places) {
  const ready = readyPlaces(job);
  pictures = ready.map((name) => ({
    image: shotOf(job, name).image,
    label: places.fullLabel(name),
    prompt: job.prompt,
  }));
  if (pictures.length === 0) return;
  show(Math.max(0, ready.indexOf(platform)));
  byId("viewer").showModal();
}

export function prepareViewer() {
  const dialog = byId("viewer");
  byId("viewer-close").addEventListener("click", () => dialog.close());
  byId("viewer-back").addEventListener("click", () => show(at - 1));
  byId("viewer-next").addEventListener("click", () => show(at + 1));
  dialog.addEventListener("keydown", ({ key }) => {
    if (key === "ArrowLeft") show(at - 1);
    if (key === "ArrowRight") show(at + 1);
  });
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog || target.className === "viewer-stage") dialog.close();
  });
  dialog.addEventListener("close", () => byId("viewer-image").removeAttribute("src"));
}
