// The list of jobs: newest on top, older ones by the page, those that run followed live.

import { cancel, eventsAfter, list, retry } from "./api.js";
import { announce } from "./announcer.js";
import { hideBanner, showBanner } from "./banner.js";
import { byId, mark, say } from "./dom.js";
import { JobCard, statusLine } from "./job_card.js";
import { apply, ended, endsRun, foresee, isPartlyKnown, knownJob, newJob } from "./job_state.js";
import { Streams } from "./stream.js";
import { LINK_WORDS } from "./words.js";
import { view } from "./viewer.js";

const PAGE = 10;
const SECOND_MS = 1_000;
const WORST_FIRST = ["offline", "reconnecting", "asking", "live"];

/** All jobs of one kind that this browser's session owns. `reuse(job)` takes a prompt back into the form. */
export class Board {
  #kind;
  #places;
  #acts;
  #jobs = new Map();
  #cards = new Map();
  #links = new Map();
  #dirty = new Set();
  #older = null;
  #root = byId("jobs");
  #streams = new Streams({
    job: (id) => this.#jobs.get(id),
    event: (id, event) => this.#heard(id, event),
    link: (id, state) => this.#linked(id, state),
    gone: (id) => this.#drop(id),
  });

  constructor({ kind, places, reuse }) {
    this.#kind = kind;
    this.#places = places;
    this.#acts = {
      cancel: (id) => this.#ask(id, cancel),
      retry: (id) => this.#ask(id, retry),
      view: (job, platform) => view(job, platform, places),
      reuse,
    };
    byId("older").addEventListener("click", () => this.#more());
    setInterval(() => this.#tick(), SECOND_MS);
  }

  /** Shows the newest jobs of the session, and goes on following those that run. */
  async load() {
    await this.#page(null);
    this.#drawEmpty();
  }

  /** Puts a job that was just accepted on top. */
  add(accepted, data) {
    const job = newJob(accepted, data);
    job.attempts = this.#kind.attempts ?? null;
    hideBanner();
    this.#put(job, "prepend");
    this.#streams.follow(job.id);
    this.#drawEmpty();
    announce(job.id, "Accepted. Your pictures are on their way");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#cards.get(job.id).node.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }

  #tick() {
    for (const card of this.#cards.values()) card.tick();
  }

  async #page(cursor) {
    const { jobs, nextCursor } = await list(this.#kind.kind, cursor, PAGE);
    for (const body of jobs) if (!this.#jobs.has(body.jobId)) this.#put(knownJob(body), "append");
    for (const { jobId } of jobs) this.#goOn(this.#jobs.get(jobId));
    this.#older = nextCursor;
    byId("older").hidden = !nextCursor;
  }

  async #more() {
    const button = byId("older");
    if (button.getAttribute("aria-disabled")) return;
    mark(button, "aria-disabled", "true");
    try {
      const last = this.#root.lastElementChild;
      await this.#page(this.#older);
      if (button.hidden) last?.nextElementSibling?.querySelector("h2").focus();
    } catch (problem) {
      showBanner(problem, () => this.#more());
    }
    mark(button, "aria-disabled", null);
  }

  #put(job, where) {
    const card = new JobCard(job, this.#places, this.#acts);
    this.#jobs.set(job.id, job);
    this.#cards.set(job.id, card);
    this.#root[where](card.node);
  }

  #goOn(job) {
    if (!ended(job)) this.#streams.follow(job.id);
    else if (isPartlyKnown(job)) this.#catchUp(job.id);
  }

  /** Reads what a job told so far, for the pictures of jobs that ended without a result. */
  async #catchUp(id) {
    const events = await eventsAfter(id, this.#jobs.get(id).seq).catch(() => []);
    for (const event of events) apply(this.#jobs.get(id), event);
    this.#draw(id);
  }

  #heard(id, event) {
    const job = this.#jobs.get(id);
    const ends = endsRun(job, event);
    if (apply(job, event)) {
      this.#draw(id);
      if (!event.tick) announce(id, `${job.prompt.slice(0, 40)}: ${statusLine(job, this.#places)}`);
    }
    return ends;
  }

  /** Draws at the next frame, once, however much news a job has until then. */
  #draw(id) {
    if (this.#dirty.has(id)) return;
    this.#dirty.add(id);
    const draw = () => {
      if (this.#dirty.delete(id)) this.#cards.get(id)?.update(this.#jobs.get(id));
    };
    if (document.hidden) setTimeout(draw);
    else requestAnimationFrame(draw);
  }

  async #ask(id, act) {
    const job = this.#jobs.get(id);
    if (job.asking || (act === cancel && job.cancelRequested)) return;
    job.asking = true;
    hideBanner();
    try {
      foresee(job, await act(id));
      this.#draw(id);
      this.#goOn(job);
    } catch (problem) {
      showBanner(problem, problem.status === 409 ? null : () => this.#ask(id, act));
      if (problem.status === 409) await this.#catchUp(id);
    } finally {
      job.asking = false;
    }
  }

  #linked(id, state) {
    if (state) this.#links.set(id, state);
    else this.#links.delete(id);
    const card = this.#cards.get(id);
    if (card) card.link = state;
    const all = new Set(this.#links.values());
    const worst = WORST_FIRST.find((one) => all.has(one)) ?? "idle";
    mark(byId("link"), "data-link", all.has("live") && worst === "asking" ? "live" : worst);
    say(byId("link-text"), LINK_WORDS[byId("link").dataset.link]);
  }

  #drop(id) {
    this.#cards.get(id)?.node.remove();
    this.#cards.delete(id);
    this.#jobs.delete(id);
    this.#drawEmpty();
  }

  #drawEmpty() {
    byId("empty").hidden = this.#cards.size > 0;
  }
}
