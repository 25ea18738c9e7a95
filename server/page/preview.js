// How one place will show a master: the same cut as the server makes, drawn by the browser, with a box to choose it.

import { along, shownOf } from "./crop.js";
import { el, icon, mark, say } from "./dom.js";
import { FIT_WORDS, coveredWords } from "./words.js";
import { zonesOf } from "./zones.js";

/** Between one height for all (1) and one area for all (0.5). */
const EVENING = 0.6;

export class Preview {
  #front;
  #note;
  #paper;

  /** The part of the master that is shown: {left, top, width, height}, shares of its sides. */
  crop = null;

  constructor(place, label, job, chosen) {
    const src = (job.thumbnail ?? job.master).url;
    const aspect = place.width / place.height;
    this.place = place;
    this.box = el("input", { type: "checkbox", name: "places", value: place.name, checked: chosen });
    this.#front = el("img", { class: "preview-front", src, alt: "", decoding: "async", draggable: "false" });
    const back = el("img", { class: "preview-back", src, alt: "", decoding: "async", draggable: "false" });
    const tick = el("span", { class: "square" }, icon("check"));
    this.#paper = el("span", { class: "preview-paper" }, back, this.#front, ...zonesOf(place), tick);
    this.#note = el("span", { class: "preview-note" });
    const name = el("span", { class: "preview-name" }, label);
    const covered = el("span", { class: "unseen" }, coveredWords(place.zones));
    const vars = { "--aspect": aspect, "--wide": aspect ** EVENING };
    this.node = el("label", { class: "preview", vars }, this.box, this.#paper, name, this.#note, covered);
  }

  draw(master, fit, point) {
    const { fit: done, crop } = shownOf(master, this.place, fit, point);
    this.crop = crop;
    mark(this.#paper, "data-fit", done);
    const at = done === "contain" ? [0.5, 0.5] : [along(crop.left, crop.width), along(crop.top, crop.height)];
    this.#front.style.objectPosition = at.map((share) => `${share * 100}%`).join(" ");
    const size = `${this.place.width}\u00a0×\u00a0${this.place.height}`;
    say(this.#note, [size, done === fit ? "" : FIT_WORDS[done]].filter(Boolean).join(" · "));
  }
}
