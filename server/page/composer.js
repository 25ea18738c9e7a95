// The form: prompt, look, places, fit. It keeps what was typed until the server has accepted it.

import { submit } from "./api.js";
import { announce } from "./announcer.js";
import { hideBanner } from "./banner.js";
import { byId, mark, say } from "./dom.js";
import { rememberDraft, rememberedDraft } from "./memory.js";
import { count } from "./words.js";

const FIELDS = ["prompt", "imageType", "platforms", "fit"];
const NEAR_LIMIT = 0.9;
const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

/** Characters as the server counts them: code points, not UTF-16 units. */
const lengthOf = (text) => [...text].length;

/** The form's field that a server's field path is about ("platforms.2" → "platforms"), or undefined. */
const fieldOf = (path) =>
  FIELDS.find((name) =>
    String(path)
      .split(/[.[\]/]+/)
      .includes(name),
  );

/**
 * `fits`: whether this server lets one choose how pictures are fitted. `accepted(answer, data)` gets each job that the
 * server took, `refused(problem, again)` what fits no field.
 */
export class Composer {
  #kind;
  #limit;
  #picker;
  #sending = false;
  #accepted;
  #refused;
  #form = byId("composer");
  #prompt = byId("prompt");

  constructor({ kind, limit, picker, fits, accepted, refused }) {
    this.#kind = kind;
    byId("field-fit").hidden = !fits;
    this.#limit = limit;
    this.#picker = picker;
    this.#accepted = accepted;
    this.#refused = refused;
    this.#prompt.value ||= rememberedDraft();
    this.#listen();
    this.#typed();
    this.#drawButton();
  }

  /** Puts a prompt, and what else is given, into the form and the cursor behind it. */
  fill({ prompt, imageType, platforms, fit }) {
    this.#prompt.value = prompt;
    if (imageType) this.#form.elements.imageType.value = imageType;
    if (fit) this.#form.elements.fit.value = fit;
    if (platforms) this.#picker.choose(platforms);
    this.#typed();
    this.#prompt.focus();
    this.#prompt.setSelectionRange(prompt.length, prompt.length);
    this.#prompt.scrollIntoView({ block: "nearest" });
  }

  #listen() {
    this.#prompt.addEventListener("input", () => this.#typed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#send();
    });
    for (const field of ["imageType", "fit"]) {
      byId(`field-${field}`).addEventListener("change", () => this.#complain(field));
    }
    this.#picker.addEventListener("change", () => {
      this.#complain("platforms");
      this.#drawButton();
    });
    say(byId("go-keys"), APPLE ? "⌘ ↵" : "Ctrl ↵");
  }

  #typed() {
    const length = lengthOf(this.#prompt.value);
    const counter = byId("prompt-count");
    say(counter, `${length.toLocaleString()} / ${this.#limit.toLocaleString()}`);
    mark(counter, "data-level", length > this.#limit ? "over" : length > this.#limit * NEAR_LIMIT ? "near" : null);
    this.#grow();
    this.#complain(
      "prompt",
      length > this.#limit ? `That is ${count(length - this.#limit, "character")} too many.` : "",
    );
    rememberDraft(this.#prompt.value);
  }

  /** For browsers without `field-sizing`. */
  #grow() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#prompt.style.height = "auto";
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }

  #drawButton() {
    const places = this.#picker.chosen.length;
    const words = this.#sending ? "Sending…" : `Make ${places > 0 ? count(places, "picture") : "pictures"}`;
    say(byId("go-text"), words);
    mark(byId("go"), "aria-disabled", this.#sending ? "true" : null);
  }

  /** Shows what is wrong with a field beside it; without a text the complaint goes. */
  #complain(field, text = "") {
    const line = byId(`${field}-problem`);
    say(line, text);
    line.hidden = text === "";
    mark(byId(`field-${field}`), "data-wrong", text !== "");
    if (field === "prompt") mark(this.#prompt, "aria-invalid", text === "" ? null : "true");
  }

  #ownComplaints(data) {
    const found = [];
    if (data.prompt.trim() === "") found.push(["prompt", "Say what you want to see."]);
    else if (lengthOf(data.prompt) > this.#limit) found.push(["prompt", `At most ${count(this.#limit, "character")}.`]);
    if (data.platforms.length === 0) found.push(["platforms", "Choose at least one place."]);
    return found;
  }

  #showComplaints(complaints) {
    const texts = new Map();
    for (const [field, text] of complaints) texts.set(field, [...(texts.get(field) ?? []), text]);
    for (const [field, lines] of texts) this.#complain(field, lines.join(" "));
    const first = FIELDS.find((field) => texts.has(field));
    if (first) byId(`field-${first}`).querySelector("textarea, input").focus();
    announce("composer", [...texts.values()].flat().join(" "));
  }

  async #send() {
    if (this.#sending) return;
    hideBanner();
    const data = {
      prompt: this.#prompt.value,
      imageType: this.#form.elements.imageType.value,
      platforms: this.#picker.chosen,
    };
    if (!byId("field-fit").hidden) data.fit = this.#form.elements.fit.value;
    const complaints = this.#ownComplaints(data);
    if (complaints.length > 0) return this.#showComplaints(complaints);
    this.#sending = true;
    this.#drawButton();
    try {
      const answer = await submit(this.#kind, data);
      if (this.#prompt.value === data.prompt) this.#prompt.value = "";
      this.#typed();
      this.#accepted(answer, data);
    } catch (problem) {
      this.#failed(problem);
    } finally {
      this.#sending = false;
      this.#drawButton();
    }
  }

  #failed(problem) {
    const ours = (problem.errors ?? []).filter(({ field }) => fieldOf(field));
    if (ours.length > 0) this.#showComplaints(ours.map(({ field, message }) => [fieldOf(field), message]));
    else this.#refused(problem, () => this.#send());
  }
}
