// A group of checkboxes and the one that stands for them all: checked, unchecked, or neither when they differ.

import { el, icon } from "./dom.js";

/** `boxes` of one group; of a group of one only the name is shown. Whoever changes them calls `draw`. */
export class WholeGroup {
  #boxes;
  #whole = null;
  node;

  constructor(name, boxes) {
    this.#boxes = boxes;
    if (boxes.length < 2) {
      this.node = el("p", { class: "network" }, name);
      return;
    }
    this.#whole = el("input", { type: "checkbox", on: { change: () => this.#all(this.#whole.checked) } });
    const square = el("span", { class: "square" }, icon("check"), icon("dash"));
    this.node = el(
      "label",
      { class: "network whole-group" },
      this.#whole,
      square,
      el("span", { class: "unseen" }, "All of "),
      name,
    );
  }

  draw() {
    if (!this.#whole) return;
    const checked = this.#boxes.filter((box) => box.checked).length;
    this.#whole.checked = checked === this.#boxes.length;
    this.#whole.indeterminate = checked > 0 && checked < this.#boxes.length;
  }

  /** The change goes on up from the box that stands for all, so whoever listens above hears of it once. */
  #all(on) {
    for (const box of this.#boxes) box.checked = on;
  }
}
