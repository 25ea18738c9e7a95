// One job on the page. It draws a job's state and nothing else: `update` may be called as often as one likes.

import { saveUrl, serverNow, zipUrl } from "./api.js";
import { el, icon, mark, say } from "./dom.js";
import { Frames } from "./frames.js";
import { ended, readyPlaces } from "./job_state.js";
import { statusLine, trouble } from "./status_line.js";
import { LINK_WORDS, advice, agoWords, count, formatWords } from "./words.js";

const GLYPHS = { completed: "check", failed: "cross", cancelled: "dash" };

let cards = 0;

/**
 * `acts`: cancel(id), retry(id), reuse(job), view(job, platform), renew(id), remove(job), promptOf(id), and adjust(job)
 * where more can be cut.
 */
export class JobCard {
  #places;
  #acts;
  #link = null;
  #job;
  #frames;
  #parts = {};
  node;

  constructor(job, places, acts) {
    this.#places = places;
    this.#acts = acts;
    this.#job = job;
    this.#build(job);
    this.update(job);
  }

  /** The connection's state, apart from the job's. */
  set link(state) {
    this.#link = state;
    this.#drawLink();
  }

  /** What passes with time alone: countdowns and ages. */
  tick() {
    say(this.#parts.text, statusLine(this.#job, this.#places, this.#acts.promptOf));
    say(this.#parts.time, agoWords(this.#job.createdAt, serverNow()));
  }

  update(job) {
    this.#job = job;
    const going = job.cutting ?? job;
    mark(this.node, "data-status", going.cancelRequested && !ended(going) ? "cancelling" : going.status);
    this.tick();
    this.#drawProgress(going);
    this.#drawTrouble(job);
    this.#frames.update(job);
    const bare = ended(going) && readyPlaces(job).length === 0 && job.shots.size === 0;
    this.#frames.node.hidden = bare;
    say(this.#parts.sizes, `${count(job.platforms.length, "size")} · `);
    this.#drawFacts(job);
    this.#drawActions(job);
  }

  #build(job) {
    cards += 1;
    const id = `job-${cards}`;
    const button = (name, text, act) =>
      el(
        "button",
        {
          type: "button",
          class: "button",
          "aria-describedby": `${id}-prompt`,
          on: { click: act },
        },
        icon(name),
        text,
      );
    const p = this.#parts;
    this.#frames = new Frames(job, this.#places, {
      open: (platform) => this.#acts.view(this.#job, platform),
      renew: () => this.#acts.renew(job.id),
    });
    p.prompt = el("h2", { class: "job-prompt", id: `${id}-prompt`, tabindex: -1 }, job.prompt);
    p.more = el(
      "button",
      {
        type: "button",
        class: "quiet more",
        hidden: true,
        "aria-expanded": "false",
        on: { click: () => this.#unfold() },
      },
      "Show all",
    );
    p.cancel = button("cross", "Cancel", () => this.#acts.cancel((this.#job.cutting ?? this.#job).id));
    p.retry = button("again", "Try again", () => this.#acts.retry(this.#job.id));
    p.adjust = button("crop", "Adjust", () => this.#acts.adjust(this.#job));
    p.zip = el("a", { class: "button", download: true, "aria-describedby": `${id}-prompt` }, icon("down"), "All as zip");
    p.reuse = button("pen", "Use again", () => this.#acts.reuse(this.#job));
    p.remove = button("bin", "", () => this.#acts.remove(this.#job));
    p.remove.classList.add("only-icon");
    mark(p.remove, "aria-label", "Delete");
    mark(p.remove, "title", "Delete");
    p.glyph = el("span", { class: "glyph" });
    p.text = el("span", { class: "job-text" });
    p.percent = el("span", { class: "percent" });
    p.link = el(
      "span",
      { class: "link job-link", hidden: true },
      el("span", { class: "link-dot", "aria-hidden": "true" }),
      el("span"),
    );
    p.time = el("time", { datetime: job.createdAt, title: new Date(job.createdAt).toLocaleString() });
    p.sizes = el("span");
    p.meta = el(
      "span",
      { class: "job-meta" },
      [job.imageType, job.fit, ""].filter((part) => part !== null && part !== "cover").join(" · "),
      p.sizes,
      p.time,
    );
    p.fill = el("span", { class: "fill" });
    p.track = el(
      "div",
      { class: "track", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 },
      p.fill,
    );
    p.trouble = el("div", { class: "trouble", hidden: true });
    p.facts = el("div", { class: "facts", hidden: true });
    this.node = el(
      "article",
      { class: "job", "aria-labelledby": `${id}-prompt` },
      el(
        "header",
        { class: "job-head" },
        el("div", { class: "job-words" }, p.prompt, p.more),
        el("div", { class: "job-actions" }, p.cancel, p.retry, p.adjust, p.zip, p.reuse, p.remove),
      ),
      el("div", { class: "job-line" }, p.glyph, p.text, p.percent, p.link, p.meta),
      p.track,
      p.trouble,
      this.#frames.node,
      p.facts,
    );
    new ResizeObserver(() => this.#measure()).observe(p.prompt);
  }

  /** Offers to unfold a prompt that does not fit its three lines. */
  #measure() {
    const { prompt, more } = this.#parts;
    if (more.getAttribute("aria-expanded") === "true") return;
    more.hidden = prompt.scrollHeight <= prompt.clientHeight + 2;
  }

  #unfold() {
    const { prompt, more } = this.#parts;
    const open = more.getAttribute("aria-expanded") !== "true";
    mark(more, "aria-expanded", String(open));
    mark(prompt, "data-open", open);
    say(more, open ? "Show less" : "Show all");
  }

  #drawLink() {
    const { link } = this.#parts;
    link.hidden = this.#link === null;
    mark(link, "data-link", this.#link);
    say(link.lastChild, LINK_WORDS[this.#link] ?? "");
  }

  #drawProgress(job) {
    const { track, fill, percent, glyph } = this.#parts;
    const going = !ended(job);
    const shown = Math.round(job.progress);
    mark(track, "data-going", going);
    mark(track, "aria-hidden", going ? null : "true"); // a mere line, once the job has ended
    mark(track, "aria-valuenow", shown);
    mark(track, "aria-valuetext", `${shown} %, ${this.#parts.text.textContent}`);
    fill.style.setProperty("--part", job.progress / 100);
    say(percent, job.status === "active" && !job.cancelRequested ? `${shown} %` : "");
    const name = GLYPHS[job.status];
    if (glyph.dataset.name === (name ?? "")) return;
    glyph.dataset.name = name ?? "";
    glyph.replaceChildren(...(name ? [icon(name)] : []));
  }

  #drawTrouble(job) {
    const error = trouble(job);
    const { trouble: box } = this.#parts;
    box.hidden = !error;
    const key = error ? `${job.status} ${error.code} ${error.message}` : "";
    if (box.dataset.key === key) return;
    box.dataset.key = key;
    if (!error) return void box.replaceChildren();
    const todo = ended(job) && !job.cutting ? ` ${advice(error.code, error.retryable)}` : "";
    box.replaceChildren(el("p", {}, error.message, el("span", {}, todo)), el("p", { class: "code" }, error.code));
  }

  #drawFacts(job) {
    const { facts } = this.#parts;
    facts.hidden = ended(job) && job.simulated === null; // while it runs its room is kept
    const key = [job.simulated, job.model, job.understood, job.master?.fileId].join("|");
    if (facts.dataset.key === key) return;
    facts.dataset.key = key;
    const badge = el(
      "p",
      { class: "badge" },
      el("b", {}, "Sketch"),
      el("span", {}, "no model was used, nothing was paid"),
    );
    const master = job.master;
    facts.replaceChildren(
      ...[
        job.simulated ? badge : job.model ? el("p", {}, el("span", {}, "Made by "), el("b", {}, job.model)) : null,
        job.understood ? el("p", {}, el("span", {}, "Understood as "), el("b", {}, job.understood)) : null,
        master?.url
          ? el(
              "a",
              { class: "original", href: saveUrl(master), download: true },
              icon("down"),
              `Original, ${master.width} × ${master.height} ${formatWords(master.contentType)}`,
            )
          : null,
      ].filter(Boolean),
    );
  }

  #drawActions(job) {
    const { cancel, retry, adjust, zip, reuse, remove, prompt } = this.#parts;
    const going = job.cutting ?? job;
    const rests = ended(going);
    const ready = readyPlaces(job).length;
    const held = [cancel, retry, adjust, zip, reuse, remove].find((one) => one === document.activeElement);
    cancel.hidden = rests;
    mark(cancel, "aria-disabled", going.cancelRequested ? "true" : null);
    retry.hidden = !rests || !job.kept || (job.status !== "failed" && job.status !== "cancelled");
    adjust.hidden = !rests || !job.master || !job.generationId || !this.#acts.adjust;
    zip.hidden = !rests || !job.generationId || ready < 2;
    if (!zip.hidden) mark(zip, "href", zipUrl(job.generationId));
    reuse.hidden = !rests;
    remove.hidden = !rests || !job.generationId;
    if (held?.hidden) (retry.hidden ? prompt : retry).focus({ preventScroll: true });
  }
}
