// The gallery: everything that was made and is not on the sheet as a job, as small pictures. It outlives the jobs.
//
// A small picture opens in its own place: the whole comes in below its row, and goes again when it is chosen once more.

import { lookAtMade, madeSoFar } from "./api.js";
import { showBanner } from "./banner.js";
import { byId, el, icon, mark } from "./dom.js";
import { STATUS_WORDS, count } from "./words.js";

const PAGE = 48;
const AGAIN_MS = 2_000;

const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** `show(generation)` resolves to the element that shows one whole. */
export class Gallery {
  #show;
  #tiles = new Map();
  #elsewhere = new Set();
  #more = null;
  #root = byId("tiles");

  constructor(show) {
    this.#show = show;
    byId("older").addEventListener("click", () => this.#next());
    this.#root.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get size() {
    return this.#tiles.size;
  }

  /** Reads the newest; returns the page as the server gave it, with those that are shown elsewhere too. */
  load() {
    return this.#page(null);
  }

  /** Leaves out, from now on, what is shown elsewhere. */
  leave(generationId) {
    this.#elsewhere.add(generationId);
    this.forget(generationId);
  }

  forget(generationId) {
    this.#tiles.get(generationId)?.whole?.remove();
    this.#tiles.get(generationId)?.item.remove();
    this.#tiles.delete(generationId);
    this.#draw();
  }

  async #page(cursor) {
    const page = await madeSoFar(cursor, PAGE);
    for (const one of page.generations) {
      if (!this.#tiles.has(one.generationId) && !this.#elsewhere.has(one.generationId)) this.#put(one);
    }
    this.#more = page.nextCursor;
    this.#draw();
    return page;
  }

  async #next() {
    const button = byId("older");
    if (button.getAttribute("aria-disabled")) return;
    mark(button, "aria-disabled", "true");
    try {
      const last = this.#root.lastElementChild;
      await this.#page(this.#more);
      if (button.hidden) last?.nextElementSibling?.querySelector("button").focus();
    } catch (problem) {
      showBanner(problem, () => this.#next());
    }
    mark(button, "aria-disabled", null);
  }

  #draw() {
    byId("gallery").hidden = this.#tiles.size === 0;
    byId("older").hidden = !this.#more;
  }

  #put(generation) {
    const paper = el("span", { class: "thumb-paper" }, this.#picture(generation));
    const { prompt } = generation.request;
    const what = generation.images.length > 0 ? count(generation.images.length, "size") : STATUS_WORDS[generation.status];
    const facts = `${what} · ${day.format(new Date(generation.createdAt))}`;
    const button = el(
      "button",
      { type: "button", class: "thumb", "aria-expanded": "false", on: { click: () => this.#toggle(tile) } },
      paper,
      el("span", { class: "thumb-words" }, el("b", {}, prompt), el("span", {}, facts)),
    );
    const item = el("li", { class: "thumb-item" }, button);
    const tile = { generation, item, button, whole: null, opening: false };
    this.#tiles.set(generation.generationId, tile);
    this.#root.append(item);
  }

  #picture(generation) {
    const small = generation.thumbnail ?? generation.images[0];
    if (!small) return icon(generation.status === "failed" ? "alert" : "dash");
    const picture = el("img", { src: small.url, alt: "", loading: "lazy", decoding: "async" });
    const point = generation.thumbnail ? (generation.request.focalPoint ?? generation.made?.focalPoint) : null;
    if (point) picture.style.objectPosition = `${point.x * 100}% ${point.y * 100}%`;
    picture.addEventListener("error", () => this.#lost(generation, small.fileId, picture));
    return picture;
  }

  /** Asks for the picture once more, at its newest address; then its place stays empty. */
  async #lost(generation, fileId, picture) {
    if (picture.dataset.again) return void picture.replaceWith(icon("dash"));
    picture.dataset.again = "1";
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    const fresh = await lookAtMade(generation.generationId).catch(() => null);
    const small = fresh?.thumbnail ?? fresh?.images.find((image) => image.fileId === fileId);
    if (small) picture.src = small.url;
    else picture.replaceWith(icon("dash"));
  }

  #pressed(event) {
    if (event.key !== "Escape") return;
    const open = [...this.#tiles.values()].find(({ whole }) => whole?.contains(event.target));
    if (!open) return;
    this.#close(open);
    open.button.focus();
  }

  #close(tile) {
    tile.whole.remove();
    tile.whole = null;
    mark(tile.button, "aria-expanded", "false");
  }

  async #toggle(tile) {
    if (tile.whole) return this.#close(tile);
    if (tile.opening) return;
    tile.opening = true;
    try {
      const node = await this.#show(tile.generation);
      for (const other of this.#tiles.values()) if (other.whole) this.#close(other);
      tile.whole = el("li", { class: "whole" }, node);
      tile.item.after(tile.whole);
      mark(tile.button, "aria-expanded", "true");
      tile.whole.scrollIntoView({ block: "nearest" });
    } catch (problem) {
      if (problem.status === 404) this.forget(tile.generation.generationId);
      showBanner(problem, () => this.#toggle(tile));
    } finally {
      tile.opening = false;
    }
  }
}
