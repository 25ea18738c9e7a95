// Follows running jobs: by an EventSource where a line is free, by asking now and then where none is. Never both.
//
// The end of a stream is not the end of a job: only a `final` event, or the timeline, ends the following of one.

import { eventsAfter, eventsUrl } from "./api.js";
import { LINES, takeLine } from "./lines.js";

const ASK_MS = 4_000;
const FIRST_ASK_MS = 500; // a job that has no line by then is asked about, so that its pictures show at once
const SILENCE_MS = 30_000; // heartbeats are comments, which a page cannot see: after this long it asks
const REST_MS = 10_000; // a stream that was refused is not tried again before, the job is asked about meanwhile
const AWAY_AFTER = 3; // failed connections in a row before "reconnecting" becomes "offline"

/**
 * The jobs that are followed. `sink` is told what comes:
 *   job(id) → the job's present state, with `seq`, `status`, `createdAt`
 *   event(id, event) → true when the event ends the run
 *   link(id, state): "live", "reconnecting", "offline", "asking", or null when it is no longer followed
 *   gone(id): the server no longer knows the job
 */
export class Streams {
  #sink;
  #followed = new Map();

  constructor(sink) {
    this.#sink = sink;
    window.addEventListener("offline", () => this.#each((one) => this.#tell(one, "offline")));
    window.addEventListener("online", () => this.#each((one) => this.#check(one)));
  }

  follow(id) {
    if (this.#followed.has(id)) return;
    const one = { id, source: null, release: null, taking: false, held: null, timer: 0, link: null };
    Object.assign(one, { failures: 0, restUntil: 0 });
    this.#followed.set(id, one);
    this.#tell(one, "asking");
    this.#later(one, FIRST_ASK_MS);
    this.share();
  }

  unfollow(id) {
    const one = this.#followed.get(id);
    if (!one) return;
    this.#followed.delete(id);
    clearTimeout(one.timer);
    this.#hangUp(one);
    this.#sink.link(id, null);
    this.share();
  }

  /** Gives the lines to those that need them most: jobs being worked on, then those that have waited longest. */
  share() {
    const urgent = [...this.#followed.values()].sort((a, b) => this.#before(a, b));
    for (const one of urgent.slice(LINES)) if (one.source) this.#hangUp(one, "asking");
    for (const one of urgent.slice(0, LINES)) if (!one.source) this.#connect(one);
  }

  #before(a, b) {
    const [left, right] = [this.#sink.job(a.id), this.#sink.job(b.id)];
    const active = Number(right.status === "active") - Number(left.status === "active");
    return active || Date.parse(left.createdAt) - Date.parse(right.createdAt);
  }

  #each(act) {
    for (const one of [...this.#followed.values()]) act(one);
  }

  #tell(one, link) {
    if (one.link === link) return;
    one.link = link;
    this.#sink.link(one.id, link);
  }

  #later(one, delay) {
    clearTimeout(one.timer);
    one.timer = setTimeout(() => this.#check(one), delay * (0.9 + Math.random() * 0.2));
  }

  async #connect(one) {
    if (one.taking || !navigator.onLine || Date.now() < one.restUntil) return;
    one.taking = true;
    const release = await takeLine();
    one.taking = false;
    if (!release) return;
    if (!this.#followed.has(one.id) || one.source) return release();
    one.release = release;
    one.source = new EventSource(eventsUrl(one.id, this.#sink.job(one.id).seq));
    one.source.onopen = () => this.#opened(one);
    one.source.onmessage = (message) => this.#heard(one, JSON.parse(message.data));
    one.source.onerror = () => this.#broken(one);
    this.#later(one, SILENCE_MS);
  }

  #hangUp(one, link = null) {
    one.source?.close();
    one.release?.();
    one.source = one.release = one.held = null;
    if (link) {
      this.#tell(one, link);
      this.#later(one, ASK_MS);
    }
  }

  #opened(one) {
    one.failures = 0;
    this.#tell(one, "live");
  }

  #broken(one) {
    one.failures += 1;
    this.#tell(one, one.failures >= AWAY_AFTER || !navigator.onLine ? "offline" : "reconnecting");
    if (one.source?.readyState !== EventSource.CLOSED) return;
    this.#hangUp(one); // refused (204, or an error): the timeline says which
    one.restUntil = Date.now() + REST_MS;
    this.#check(one);
  }

  #heard(one, event) {
    this.#later(one, SILENCE_MS);
    this.#tell(one, "live");
    if (one.held) return void one.held.push(event);
    const missed = event.type === "connected" && event.status !== undefined && event.seq > this.#sink.job(one.id).seq;
    if (missed) return this.#fillIn(one, event);
    this.#pass(one, event);
  }

  /** A snapshot does not tell the pictures that are ready: the events it covers are read first, the stream waits. */
  async #fillIn(one, snapshot) {
    const held = [snapshot];
    one.held = held;
    const past = await eventsAfter(one.id, this.#sink.job(one.id).seq).catch(() => []);
    if (one.held !== held) return;
    one.held = null;
    for (const event of [...past, ...held]) this.#pass(one, event);
  }

  #pass(one, event) {
    if (!this.#followed.has(one.id)) return;
    if (this.#sink.event(one.id, event)) this.unfollow(one.id);
  }

  /** Asks for what is new: for a job without a line, and for one whose line has been silent for long. */
  async #check(one) {
    const line = one.source;
    try {
      const events = await eventsAfter(one.id, this.#sink.job(one.id).seq);
      if (one.source !== line || !this.#followed.has(one.id)) return;
      if (line && events.length > 0) this.#hangUp(one); // the line is mute: it should have brought these
      if (!one.source) this.#tell(one, "asking");
      else if (one.source.readyState === EventSource.OPEN) this.#tell(one, "live");
      one.failures = 0;
      for (const event of events) this.#pass(one, event);
    } catch (problem) {
      if (problem.status === 404) return this.#lose(one);
      one.failures += 1;
      if (!one.source) this.#tell(one, one.failures >= AWAY_AFTER || !navigator.onLine ? "offline" : "reconnecting");
    }
    if (!this.#followed.has(one.id)) return;
    this.#later(one, one.source ? SILENCE_MS : ASK_MS);
    this.share();
  }

  #lose(one) {
    this.unfollow(one.id);
    this.#sink.gone(one.id);
  }
}
