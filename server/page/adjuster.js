// Choosing what is cut from a finished picture: the point to keep, the fit, the places; each cut shown as it will be.

import { cutAgain } from "./api.js";
import { Aim } from "./aim.js";
import { byId, el, mark, say } from "./dom.js";
import { readyPlaces } from "./job_state.js";
import { Preview } from "./preview.js";
import { WholeGroup } from "./whole_group.js";
import { CUT_GROUPS, advice, aimWords, cutButtonWords } from "./words.js";

/** One dialog for all jobs. */
export class Adjuster {
  #places;
  #job = null;
  #begun = null;
  #previews = [];
  #groups = [];
  #sending = false;
  #dialog = byId("adjuster");
  #form = byId("adjuster-form");
  #aim = new Aim(() => this.#draw());

  constructor(places) {
    this.#places = places;
    byId("adjuster-close").addEventListener("click", () => this.#dialog.close());
    byId("adjuster-unaim").addEventListener("click", () => this.#unaim());
    this.#form.addEventListener("change", () => {
      this.#complain("");
      this.#draw();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    for (const type of ["pointerover", "focusin"]) {
      byId("adjuster-places").addEventListener(type, ({ target }) => this.#outline(target));
    }
    for (const type of ["pointerleave", "focusout"]) {
      byId("adjuster-places").addEventListener(type, () => this.#outline(null));
    }
    this.#dialog.addEventListener("close", () => this.#closed());
  }

  /** Opens for a job that has a master. `begun(accepted, data)` is called with the job that cuts, once it is accepted. */
  open(job, begun) {
    this.#job = job;
    this.#begun = begun;
    this.#aim.begin(job.master, job.point, job.focal, job.prompt);
    this.#form.elements.cut.value = job.fit ?? "cover";
    const made = new Set(readyPlaces(job));
    const narrowFirst = this.#places.all.sort((a, b) => a.width / a.height - b.width / b.height);
    this.#previews = [];
    this.#groups = [];
    byId("adjuster-places").replaceChildren(
      ...[
        this.#group(CUT_GROUPS.made, narrowFirst.filter(({ name }) => made.has(name)), true),
        this.#group(CUT_GROUPS.more, narrowFirst.filter(({ name }) => !made.has(name)), false),
      ].filter(Boolean),
    );
    this.#complain("");
    this.#draw();
    this.#dialog.showModal();
    byId("aim-point").focus();
  }

  #group(title, places, chosen) {
    if (places.length === 0) return null;
    const previews = places.map((place) => new Preview(place, this.#places.fullLabel(place.name), this.#job, chosen));
    this.#previews.push(...previews);
    const whole = new WholeGroup(
      title,
      previews.map(({ box }) => box),
    );
    this.#groups.push(whole);
    const nodes = previews.map(({ node }) => node);
    return el(
      "div",
      { class: "preview-group", role: "group", "aria-label": title },
      whole.node,
      el("div", { class: "previews" }, ...nodes),
    );
  }

  get #fit() {
    return this.#form.elements.cut.value;
  }

  get #chosen() {
    return this.#previews.filter(({ box }) => box.checked).map(({ place }) => place.name);
  }

  #draw() {
    if (!this.#job) return;
    for (const group of this.#groups) group.draw();
    for (const preview of this.#previews) preview.draw(this.#job.master, this.#fit, this.#aim.shown);
    const aims = this.#fit === "cover";
    mark(byId("aim"), "data-off", !aims);
    say(byId("aim-words"), aimWords(this.#fit, this.#aim.point, this.#aim.suggested));
    byId("adjuster-unaim").hidden = !aims || !this.#aim.point;
    const made = readyPlaces(this.#job);
    const fresh = this.#chosen.filter((name) => !made.includes(name)).length;
    say(byId("adjuster-go-text"), cutButtonWords(this.#chosen.length, fresh, this.#sending));
    mark(byId("adjuster-go"), "aria-disabled", this.#sending ? "true" : null);
  }

  #unaim() {
    this.#aim.clear();
    byId("aim-point").focus();
  }

  /** Shows on the master what the preview in hand keeps of it. */
  #outline(target) {
    const preview = target && this.#previews.find(({ node }) => node.contains(target));
    this.#aim.outline(preview && this.#job ? preview.crop : null);
  }

  #complain(text) {
    say(byId("adjuster-problem"), text);
    byId("adjuster-problem").hidden = text === "";
  }

  async #send() {
    if (this.#sending) return;
    const platforms = this.#chosen;
    if (platforms.length === 0) return this.#complain("Choose at least one place.");
    const data = { platforms, fit: this.#fit };
    if (this.#aim.point && this.#fit === "cover") data.focalPoint = this.#aim.point;
    this.#sending = true;
    this.#complain("");
    this.#draw();
    const [job, begun] = [this.#job, this.#begun];
    try {
      const accepted = await cutAgain(job.generationId, data);
      begun(accepted, data);
      if (this.#job === job) this.#dialog.close();
    } catch (problem) {
      const said = (problem.errors ?? []).map(({ message }) => message).join(" ") || problem.detail || problem.title;
      this.#complain(`${said} ${advice(problem.code, problem.retryable)}`.trim());
    } finally {
      this.#sending = false;
      this.#draw();
    }
  }

  #closed() {
    this.#job = null;
    this.#previews = [];
    this.#groups = [];
    this.#aim.end();
    byId("adjuster-places").replaceChildren();
  }
}
