// The frames of a job: one for each place, its room reserved by aspect ratio before there is any picture.

import { saveUrl } from "./api.js";
import { el, icon, mark, say } from "./dom.js";
import { ended, shotOf } from "./job_state.js";
import { FIT_WORDS, advice, formatWords, sizeWords } from "./words.js";

/** How wide frames are drawn: between one height for all (1) and one area for all (0.5). */
const EVENING = 0.65;

/** From this aspect on a frame is too low for a picture of an alert above its words. */
const FLAT = 2.2;

/** Pause before a picture that did not come is asked for again. */
const AGAIN_MS = 2000;

const sides = ({ width, height }) => (width > 1 ? `${width}\u00a0×\u00a0${height}` : "");

/** What is to be read below a picture's name. */
const facts = (image) => [sides(image), FIT_WORDS[image.fit]].filter(Boolean).join(" · ");

/**
 * Frames of one job, the narrowest first for even rows. `open(platform)` is called when a ready picture is chosen,
 * `renew()` when the addresses of the pictures are too old; it resolves once they are good again.
 *
 * A picture is known by its file's id: its address changes with time, and nothing is loaded again for that.
 */
export class Frames {
  #places;
  #acts;
  #job;
  #frames = new Map();
  node = el("ul", { class: "frames", role: "list" });

  constructor(job, places, acts) {
    this.#places = places;
    this.#acts = acts;
    this.#job = job;
    this.#arrange(job);
  }

  update(job) {
    this.#job = job;
    this.#arrange(job);
    for (const [name, frame] of this.#frames) {
      const shot = shotOf(job, name);
      const cut = job.cutting?.platforms.includes(name) && !job.cutting.shots.has(name) ? job.cutting : null;
      const rendering = (cut ?? job).rendering.has(name);
      mark(frame.item, "data-cut", shot?.image && cut ? (rendering ? "working" : "waiting") : null);
      if (shot?.image) this.#develop(job, frame, shot.image);
      else if (shot?.error && !cut) this.#fail(frame, shot.error);
      else this.#wait(job, frame, rendering, Boolean(cut) || !ended(job));
    }
  }

  /** Makes frames for places that have come to the job, and takes away those of places that have left it. */
  #arrange(job) {
    const narrowFirst = [...job.platforms].sort((a, b) => this.#aspect(a) - this.#aspect(b));
    for (const [name, frame] of this.#frames) {
      if (narrowFirst.includes(name)) continue;
      frame.item.remove();
      this.#frames.delete(name);
    }
    narrowFirst.forEach((name, at) => {
      if (!this.#frames.has(name)) this.node.insertBefore(this.#frame(name), this.node.children[at] ?? null);
    });
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
    const yet = { shown: null, proof: null, link: null, save: null };
    this.#frames.set(name, { name, place, item, paper, caption, size, ...yet });
    return item;
  }

  #state(frame, state) {
    mark(frame.item, "data-state", state);
  }

  /** The blank frame; once there is a master it shows through, dimmed, until the rendition covers it. */
  #wait(job, frame, working, going) {
    this.#clear(frame, "wait");
    if (going && job.master?.url && !frame.proof) {
      frame.proof = el("img", { class: "proof", src: (job.thumbnail ?? job.master).url, alt: "", decoding: "async" });
      if (job.focal) frame.proof.style.objectPosition = `${job.focal.x * 100}% ${job.focal.y * 100}%`;
      frame.paper.prepend(frame.proof);
    }
    if (!going) this.#dropProof(frame);
    this.#state(frame, going ? (working ? "working" : "waiting") : "blank");
  }

  /** A picture that replaces another lies over it until it has come. */
  #develop(job, frame, image) {
    if (frame.shown === image.fileId) return this.#readdress(frame, image);
    const before = frame.item.dataset.state === "ready" ? frame.paper.querySelector(".picture-link") : null;
    this.#clear(frame, image.fileId, before);
    const alt = `${this.#places.fullLabel(frame.name)}: ${job.prompt}`;
    const picture = el("img", { class: "picture", src: image.url, alt, decoding: "async", loading: "lazy" });
    picture.addEventListener("load", () => this.#developed(frame, image.fileId));
    picture.addEventListener("error", () => this.#lost(frame, picture, image.fileId));
    const chosen = { click: (event) => this.#chosen(event, frame) };
    frame.link = el("a", { class: "picture-link", on: chosen }, picture);
    frame.paper.append(frame.link);
    const what = `${formatWords(image.contentType)}, ${sizeWords(image.size)}`;
    const label = `Download ${this.#places.fullLabel(frame.name)}, ${what}`;
    const save = { class: "button only-icon save", download: true, "aria-label": label, title: `Download ${what}` };
    frame.save = el("a", save, icon("down"));
    frame.caption.append(frame.save);
    this.#readdress(frame, image);
    say(frame.size, facts(image));
    this.#state(frame, "developing");
    if (picture.complete && picture.naturalWidth > 0) this.#developed(frame, image.fileId);
  }

  /** What is asked for only later goes to the newest address; what is on the page stays as it is. */
  #readdress(frame, image) {
    mark(frame.link, "href", image.url);
    mark(frame.save, "href", saveUrl(image));
  }

  async #developed(frame, fileId) {
    if (frame.shown !== fileId) return;
    this.#state(frame, "ready");
    this.#dropProof(frame);
    const { link } = frame;
    await Promise.allSettled(link.firstChild.getAnimations().map(({ finished }) => finished));
    if (frame.link !== link) return;
    for (const old of frame.paper.querySelectorAll(".picture-link")) if (old !== link) old.remove();
  }

  /** Gone for good only if the server says so; while it is away the picture is asked for again. */
  async #lost(frame, picture, fileId) {
    const url = picture.getAttribute("src");
    const status = await fetch(url, { method: "HEAD" }).then((answer) => answer.status, () => 0);
    if (status === 410) await this.#acts.renew().catch(() => {});
    if (frame.shown !== fileId) return;
    const fresh = shotOf(this.#job, frame.name)?.image?.url ?? url;
    if (status === 404 || (status === 410 && fresh === url)) {
      return this.#fail(frame, { code: "file_missing", message: "This file is no longer kept." });
    }
    const again = () => {
      if (frame.shown === fileId) picture.src = fresh; // the same address set anew is a new request
    };
    if (status === 410) again();
    else setTimeout(again, AGAIN_MS);
  }

  #chosen(event, frame) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.#acts.open(frame.name);
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

  #clear(frame, shown, except = null) {
    if (frame.shown === shown) return;
    frame.shown = shown;
    for (const old of frame.paper.querySelectorAll(".picture-link, .frame-why")) if (old !== except) old.remove();
    frame.caption.querySelector(".save")?.remove();
    say(frame.size, sides(frame.place));
    mark(frame.size, "title", null);
  }

  #dropProof(frame) {
    frame.proof?.remove();
    frame.proof = null;
  }
}
