// The frames of a job: one for each place, its room reserved by aspect ratio before there is any picture.

import { el, icon, mark, say } from "./dom.js";
import { ended } from "./job_state.js";
import { advice, formatWords, sizeWords } from "./words.js";

/** How wide frames are drawn: between one height for all (1) and one area for all (0.5). */
const EVENING = 0.65;

/** From this aspect on a frame is too low for a picture of an alert above its words. */
const FLAT = 2.2;

/** Pause before a picture that did not come is asked for again. */
const AGAIN_MS = 2000;

const sides = ({ width, height }) => (width > 1 ? `${width}\u00a0×\u00a0${height}` : "");

/** Frames of one job, the narrowest first for even rows. `open(platform)` is called when a ready picture is chosen. */
export class Frames {
  #places;
  #open;
  #frames = new Map();
  node;

  constructor(job, places, open) {
    this.#places = places;
    this.#open = open;
    const narrowFirst = [...job.platforms].sort((a, b) => this.#aspect(a) - this.#aspect(b));
    const items = narrowFirst.map((name) => this.#frame(name));
    this.node = el("ul", { class: "frames", role: "list" }, ...items);
  }

  update(job) {
    for (const [name, frame] of this.#frames) {
      const shot = job.shots.get(name);
      if (shot?.image) this.#develop(job, frame, shot.image);
      else if (shot?.error) this.#fail(frame, shot.error);
      else this.#wait(job, frame, job.rendering.has(name));
    }
  }

  #aspect(name) {
    const { width, height } = this.#places.get(name);
    return width / height;
  }

  #frame(name) {
    const place = this.#places.get(name);
    const paper = el("div", { class: "frame-paper" });
    const size = el("span", { class: "frame-size" }, sides(place));
    const caption = el(
      "div",
      { class: "caption" },
      el("p", { class: "caption-text" }, el("b", {}, this.#places.fullLabel(name)), size),
    );
    const aspect = this.#aspect(name);
    const vars = { "--aspect": aspect, "--wide": aspect ** EVENING };
    const item = el("li", { class: "frame", "data-flat": aspect > FLAT, vars }, paper, caption);
    this.#frames.set(name, { name, place, item, paper, caption, size, shown: null, proof: null });
    return item;
  }

  #state(frame, state) {
    mark(frame.item, "data-state", state);
  }

  /** The blank frame; once there is a master it shows through, dimmed, until the rendition covers it. */
  #wait(job, frame, working) {
    this.#clear(frame, "wait");
    const going = !ended(job);
    if (going && job.master?.url && !frame.proof) {
      frame.proof = el("img", { class: "proof", src: job.master.url, alt: "", decoding: "async" });
      if (job.focal) frame.proof.style.objectPosition = job.focal.map((part) => `${part * 100}%`).join(" ");
      frame.paper.prepend(frame.proof);
    }
    if (!going) this.#dropProof(frame);
    this.#state(frame, going ? (working ? "working" : "waiting") : "blank");
  }

  #develop(job, frame, image) {
    if (frame.shown === image.url) return;
    this.#clear(frame, image.url);
    const alt = `${this.#places.fullLabel(frame.name)}: ${job.prompt}`;
    const picture = el("img", { class: "picture", src: image.url, alt, decoding: "async", loading: "lazy" });
    picture.addEventListener("load", () => this.#developed(frame, image.url));
    picture.addEventListener("error", () => this.#lost(frame, picture, image.url));
    const link = el("a", {
      class: "picture-link",
      href: image.url,
      on: { click: (event) => this.#chosen(event, frame) },
    });
    link.append(picture);
    frame.paper.append(link);
    const what = `${formatWords(image.contentType)}, ${sizeWords(image.size)}`;
    const save = { class: "button only-icon save", href: `${image.url}?download=1`, download: true };
    const label = `Download ${this.#places.fullLabel(frame.name)}, ${what}`;
    frame.caption.append(el("a", { ...save, "aria-label": label, title: `Download ${what}` }, icon("down")));
    say(frame.size, sides(image));
    this.#state(frame, "developing");
    if (picture.complete) this.#developed(frame, image.url);
  }

  #developed(frame, url) {
    if (frame.shown !== url) return;
    this.#state(frame, "ready");
    this.#dropProof(frame);
  }

  /** Gone for good only if the server says so; while it is away the picture is asked for again. */
  async #lost(frame, picture, url) {
    const status = await fetch(url, { method: "HEAD" }).then((answer) => answer.status, () => 0);
    if (frame.shown !== url) return;
    if (status === 404 || status === 410) {
      this.#fail(frame, { code: "file_missing", message: "This file is no longer kept." });
    } else {
      setTimeout(() => {
        if (frame.shown === url) picture.src = url; // the same address set anew is a new request
      }, AGAIN_MS);
    }
  }

  #chosen(event, frame) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.#open(frame.name);
  }

  #fail(frame, error) {
    const shown = `failed ${error.code}`;
    if (frame.shown === shown) return;
    this.#clear(frame, shown);
    this.#dropProof(frame);
    const note = el("p", { class: "frame-why" }, icon("alert"), el("span", {}, error.message));
    frame.paper.append(note);
    mark(note, "title", [error.message, advice(error.code, error.retryable)].join(" ").trim());
    say(frame.size, error.code);
    mark(frame.size, "title", error.code);
    this.#state(frame, "failed");
  }

  #clear(frame, shown) {
    if (frame.shown === shown) return;
    frame.shown = shown;
    for (const old of frame.paper.querySelectorAll(".picture-link, .frame-why")) old.remove();
    frame.caption.querySelector(".save")?.remove();
    say(frame.size, sides(frame.place));
    mark(frame.size, "title", null);
  }

  #dropProof(frame) {
    frame.proof?.remove();
    frame.proof = null;
  }
}
