// The sheet: what runs and the newest on top, each with its news live; below it the gallery of all that was made before.

import { cancel, deleteMade, eventsAfter, list, look, lookAtMade, retry } from "./api.js";
import { announce } from "./announcer.js";
import { hideBanner, showBanner } from "./banner.js";
import { agreedToDelete } from "./deleting.js";
import { byId } from "./dom.js";
import { Gallery } from "./gallery.js";
import { JobCard } from "./job_card.js";
import {
  adoptCut,
  adoptGeneration,
  apply,
  beginCut,
  ended,
  endsRun,
  foresee,
  isPartlyKnown,
  keptJob,
  knownJob,
  newJob,
} from "./job_state.js";
import { LinkSign } from "./link_sign.js";
import { askStanding } from "./standing.js";
import { statusLine } from "./status_line.js";
import { Streams } from "./stream.js";
import { view } from "./viewer.js";

const NEWEST = 5; // so many are shown whole, the rest is in the gallery
const MOST_LIVE = 100;
const LIVE = "waiting,delayed,blocked,active";
const SECOND_MS = 1_000;

const unlessGone = (problem) => {
  if (problem.status === 404) return null;
  throw problem;
};

/**
 * All that this browser's session makes. `cutting` is the kind that cuts more from what was made, if there is one.
 * `reuse(job)` takes a prompt back into the form, `adjust(job, begun)` lets a person choose what else is cut.
 */
export class Board {
  #kind;
  #cutting;
  #places;
  #acts;
  #jobs = new Map(); // those with a card, and those that cut for one
  #cards = new Map();
  #cardOf = new Map(); // of a job that cuts: the job with the card
  #sign = new LinkSign();
  #dirty = new Set();
  #root = byId("jobs");
  #gallery = new Gallery((generation) => this.#shown(generation));
  #streams = new Streams({
    job: (id) => this.#jobs.get(id),
    event: (id, event) => this.#heard(id, event),
    link: (id, state) => this.#linked(id, state),
    gone: (id) => this.#drop(id),
  });

  constructor({ kind, cutting, places, reuse, adjust }) {
    this.#kind = kind;
    this.#cutting = cutting;
    this.#places = places;
    this.#acts = {
      cancel: (id) => this.#ask(id, cancel),
      retry: (id) => this.#ask(id, retry),
      view: (job, platform) => view(job, platform, places),
      renew: (id) => this.#renew(id),
      remove: (job) => this.#remove(job),
      promptOf: (id) => this.#jobs.get(id)?.prompt ?? null,
      adjust: cutting && ((job) => this.#adjust(job, adjust)),
      reuse,
    };
    setInterval(() => this.#tick(), SECOND_MS);
  }

  /** Shows what runs and the newest, the rest as gallery, and goes on following what runs. */
  async load() {
    const { kind } = this.#kind;
    const cuts = this.#cutting ? list(this.#cutting.kind, { limit: MOST_LIVE }) : { jobs: [] };
    const [made, live, newest, cut] = await Promise.all([
      this.#gallery.load(),
      list(kind, { status: LIVE, limit: MOST_LIVE }),
      list(kind, { limit: NEWEST }),
      cuts,
    ]);
    const bodies = new Map([...live.jobs, ...newest.jobs].map((body) => [body.jobId, body]));
    const newestFirst = [...bodies.values()].sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
    const ofId = new Map(made.generations.map((generation) => [generation.generationId, generation]));
    const find = async (id) => ofId.get(id) ?? (made.nextCursor ? lookAtMade(id).catch(unlessGone) : null);
    await Promise.all(newestFirst.map((body) => this.#know(body, find)));
    for (const { jobId } of newestFirst) if (this.#cards.has(jobId)) this.#root.append(this.#cards.get(jobId).node);
    await this.#resumeCuts(cut.jobs, find);
    this.#drawEmpty();
  }

  /** Puts a job that was just accepted on top. */
  add(accepted, data) {
    const job = newJob(accepted, data);
    job.attempts = this.#kind.attempts ?? null;
    hideBanner();
    this.#put(job);
    this.#root.prepend(this.#cards.get(job.id).node);
    this.#streams.follow(job.id);
    this.#drawEmpty();
    announce(job.id, "Accepted. Your pictures are on their way");
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#cards.get(job.id).node.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }

  #tick() {
    for (const card of this.#cards.values()) card.tick();
    if (document.hidden) return;
    for (const job of this.#jobs.values()) askStanding(job, () => this.#draw(job.id));
  }

  /** A job from a list, with the pictures that there are of it by now; one whose pictures were deleted is left out. */
  async #know(body, find) {
    const job = knownJob(body);
    if (job.generationId && ended(job)) {
      const made = await find(job.generationId);
      if (!made) return;
      adoptGeneration(job, made);
    }
    this.#put(job);
    this.#goOn(job);
  }

  async #resumeCuts(bodies, find) {
    for (const body of [...bodies].reverse()) {
      const cut = knownJob(body);
      const card = [...this.#jobs.values()].find(({ generationId }) => generationId === cut.generationId);
      if (ended(cut)) {
        if (card && cut.status === "completed") Object.assign(card, { point: cut.point, fit: cut.fit ?? card.fit });
        continue;
      }
      const made = card ? null : await find(cut.generationId);
      if (!card && !made) continue;
      if (made) this.#root.prepend(await this.#shown(made));
      this.#gallery.leave(cut.generationId);
      this.#follow(card ?? this.#jobs.get(made.jobId), cut);
    }
  }

  /** The card of something from the gallery; its job is asked for, which may be gone by now. */
  async #shown(generation) {
    const { jobId } = generation;
    if (!this.#cards.has(jobId)) {
      const [body, made] = await Promise.all([
        look(jobId).catch(unlessGone),
        lookAtMade(generation.generationId),
      ]);
      const job = body ? knownJob(body) : keptJob(made);
      adoptGeneration(job, made);
      this.#put(job, { inGallery: true });
      if (body) this.#goOn(job);
    }
    return this.#cards.get(jobId).node;
  }

  #put(job, { inGallery = false } = {}) {
    const card = new JobCard(job, this.#places, this.#acts);
    this.#jobs.set(job.id, job);
    this.#cards.set(job.id, card);
    if (job.generationId && !inGallery) this.#gallery.leave(job.generationId);
  }

  #follow(job, cut) {
    this.#jobs.set(cut.id, cut);
    this.#cardOf.set(cut.id, job.id);
    beginCut(job, cut);
    this.#draw(job.id);
    this.#streams.follow(cut.id);
  }

  #goOn(job) {
    if (!ended(job)) this.#streams.follow(job.id);
    else if (isPartlyKnown(job)) this.#catchUp(job.id);
  }

  /** Reads what a job told so far, for the pictures of jobs that ended without a result. */
  async #catchUp(id) {
    const events = await eventsAfter(id, this.#jobs.get(id).seq).catch(() => []);
    for (const event of events) this.#take(id, event);
    this.#draw(id);
  }

  #take(id, event) {
    const job = this.#jobs.get(id);
    if (!job || !apply(job, event)) return false;
    const parent = this.#jobs.get(this.#cardOf.get(id));
    if (parent) adoptCut(parent, job);
    return true;
  }

  #heard(id, event) {
    const ends = endsRun(this.#jobs.get(id), event);
    if (this.#take(id, event)) {
      this.#draw(id);
      const job = this.#jobs.get(this.#cardOf.get(id) ?? id);
      const line = statusLine(job, this.#places, this.#acts.promptOf);
      if (!event.tick) announce(job.id, `${job.prompt.slice(0, 40)}: ${line}`);
    }
    return ends;
  }

  /** Draws at the next frame, once, however much news a job has until then. */
  #draw(of) {
    const id = this.#cardOf.get(of) ?? of;
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

  /** Addresses of a job's files that are good again. */
  async #renew(id) {
    const job = this.#jobs.get(id);
    if (!job.generationId) return foresee(job, await look(id));
    adoptGeneration(job, await lookAtMade(job.generationId));
    this.#draw(id);
  }

  async #adjust(job, adjust) {
    if (job.asking) return;
    job.asking = true;
    hideBanner();
    try {
      await this.#renew(job.id);
      adjust(job, (accepted, data) => {
        this.#follow(job, newJob(accepted, { ...data, generationId: job.generationId }));
        announce(job.id, "Accepted. The new cuts are on their way");
      });
    } catch (problem) {
      showBanner(problem, () => this.#adjust(job, adjust));
    } finally {
      job.asking = false;
    }
  }

  async #remove(job) {
    if (!(await agreedToDelete(job))) return;
    hideBanner();
    try {
      await deleteMade(job.generationId).catch(unlessGone);
    } catch (problem) {
      return showBanner(problem, problem.status === 409 ? null : () => this.#remove(job));
    }
    const next = this.#cards.get(job.id)?.node.nextElementSibling?.querySelector("h2") ?? byId("sheet");
    this.#drop(job.id);
    this.#gallery.forget(job.generationId);
    this.#drawEmpty();
    next.focus();
    announce("deleted", "Deleted");
  }

  #linked(id, state) {
    this.#sign.tell(id, state);
    const card = this.#cards.get(this.#cardOf.get(id) ?? id);
    if (card) card.link = state;
  }

  /** Forgets a job that the server no longer knows; what it was cutting for stays as it is. */
  #drop(id) {
    const parent = this.#jobs.get(this.#cardOf.get(id));
    if (parent?.cutting?.id === id) parent.cutting = null;
    if (parent) this.#draw(parent.id);
    this.#cards.get(id)?.node.remove();
    this.#cards.delete(id);
    this.#jobs.delete(id);
    this.#drawEmpty();
  }

  #drawEmpty() {
    byId("empty").hidden = this.#cards.size + this.#gallery.size > 0;
  }
}
