// One job on the page. It draws a job's state and nothing else: `update` may be called as often as one likes.

import { serverNow } from "./api.js";
import { el, icon, mark, say } from "./dom.js";
import { Frames } from "./frames.js";
import { ended } from "./job_state.js";
import {
  LINK_WORDS,
  STATUS_WORDS,
  advice,
  agoWords,
  count,
  formatWords,
  stepWords,
  tookWords,
  waitWords,
} from "./words.js";

const GLYPHS = { completed: "check", failed: "cross", cancelled: "dash" };

let cards = 0;

const readyShots = (job) => [...job.shots.values()].filter(({ image }) => image).length;
const ofAttempts = (job) => (job.attempts ? `${job.attempt} of ${job.attempts}` : `${job.attempt}`);

function delayedWords(job) {
  const when = job.dueAt ? waitWords(job.dueAt, serverNow()) : "soon";
  return job.lastError ? `Attempt ${ofAttempts(job)} failed. Trying again ${when}` : `Starts ${when}`;
}

function completedWords(job) {
  const ready = readyShots(job);
  const made = ready === job.platforms.length ? "Ready" : `${ready} of ${job.platforms.length} ready`;
  return job.startedAt && job.finishedAt ? `${made}, made in ${tookWords(job.startedAt, job.finishedAt)}` : made;
}

/** A job's state as one line. */
export function statusLine(job, places) {
  if (ended(job)) {
    if (job.status === "completed") return completedWords(job);
    const ready = readyShots(job);
    const kept = ready > 0 ? `, ${count(ready, "picture")} kept` : "";
    const tried = job.status === "failed" && job.attempt > 1 ? ` after ${count(job.attempt, "attempt")}` : "";
    return `${STATUS_WORDS[job.status]}${tried}${kept}`;
  }
  if (job.cancelRequested) return "Cancelling…";
  if (job.status === "delayed") return delayedWords(job);
  if (job.status !== "active") return STATUS_WORDS[job.status] ?? job.status;
  const doing = stepWords(job.step, (name) => places.fullLabel(name));
  return job.attempt > 1 ? `${doing}, attempt ${ofAttempts(job)}` : doing;
}

/** What is to be said below the line: the reason of a failure, or of the wait before the next attempt. */
function trouble(job) {
  if (job.status === "failed") return job.error;
  return job.status === "delayed" || (job.status === "waiting" && !job.cancelRequested) ? job.lastError : null;
}

/** `acts`: cancel(id), retry(id), reuse(job), view(job, platform). */
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
    say(this.#parts.text, statusLine(this.#job, this.#places));
    say(this.#parts.time, agoWords(this.#job.createdAt, serverNow()));
  }

  update(job) {
    this.#job = job;
    mark(this.node, "data-status", job.cancelRequested && !ended(job) ? "cancelling" : job.status);
    this.tick();
    this.#drawProgress(job);
    this.#drawTrouble(job);
    this.#frames.update(job);
    const bare = ended(job) && readyShots(job) === 0 && job.shots.size === 0;
    this.#frames.node.hidden = bare;
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
    this.#frames = new Frames(job, this.#places, (platform) => this.#acts.view(this.#job, platform));
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
    p.cancel = button("cross", "Cancel", () => this.#acts.cancel(this.#job.id));
    p.retry = button("again", "Try again", () => this.#acts.retry(this.#job.id));
    p.reuse = button("pen", "Use again", () => this.#acts.reuse(this.#job));
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
    p.meta = el(
      "span",
      { class: "job-meta" },
      job.imageType ? `${job.imageType} · ` : "",
      `${count(job.platforms.length, "size")} · `,
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
        el("div", { class: "job-actions" }, p.cancel, p.retry, p.reuse),
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
    mark(track, "aria-valuetext", `${shown} %, ${statusLine(job, this.#places)}`);
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
    const todo = job.status === "failed" ? ` ${advice(error.code, error.retryable)}` : "";
    box.replaceChildren(el("p", {}, error.message, el("span", {}, todo)), el("p", { class: "code" }, error.code));
  }

  #drawFacts(job) {
    const { facts } = this.#parts;
    facts.hidden = ended(job) && job.simulated === null; // while it runs its room is kept
    const key = [job.simulated, job.model, job.understood, job.master?.url].join("|");
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
              { class: "original", href: `${master.url}?download=1`, download: true },
              icon("down"),
              `Original, ${master.width} × ${master.height} ${formatWords(master.contentType)}`,
            )
          : null,
      ].filter(Boolean),
    );
  }

  #drawActions(job) {
    const { cancel, retry, reuse, prompt } = this.#parts;
    const held = [cancel, retry, reuse].find((one) => one === document.activeElement);
    cancel.hidden = ended(job);
    mark(cancel, "aria-disabled", job.cancelRequested ? "true" : null);
    retry.hidden = job.status !== "failed" && job.status !== "cancelled";
    reuse.hidden = !ended(job);
    if (held?.hidden) (retry.hidden ? prompt : retry).focus({ preventScroll: true });
  }
}
