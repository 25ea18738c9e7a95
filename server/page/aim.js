// The point that cuts keep in view, set on the master: by clicking, dragging, or with the arrow keys.

import { byId, mark } from "./dom.js";
import { pointWords } from "./words.js";

const STEP = 0.01;
const STRIDE = 0.1;
const MIDDLE = { x: 0.5, y: 0.5 };

/** How far each key moves the point, in steps. */
const KEYS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

const within = (share) => Math.round(Math.max(0, Math.min(1, share)) * 1000) / 1000;
const percent = (share) => `${share * 100}%`;

/** `moved()` is called whenever the point has changed. */
export class Aim {
  #moved;
  #stage = byId("aim");
  #handle = byId("aim-point");
  #box = byId("aim-box");
  #image = byId("aim-image");

  /** The point as it was set, or null: then the server finds one. */
  point = null;

  /** The point that the server found, or null. */
  suggested = null;

  constructor(moved) {
    this.#moved = moved;
    this.#stage.addEventListener("pointerdown", (event) => this.#grab(event));
    this.#stage.addEventListener("pointermove", (event) => {
      if (this.#stage.hasPointerCapture(event.pointerId)) this.#follow(event);
    });
    this.#handle.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** The point to draw with: the one that was set, else the server's, else the middle. */
  get shown() {
    return this.point ?? this.suggested ?? MIDDLE;
  }

  begin(master, point, suggested, prompt) {
    Object.assign(this, { point, suggested });
    this.#stage.style.setProperty("--aspect", master.width / master.height);
    this.#image.src = master.url;
    this.#image.alt = prompt;
    this.#draw();
  }

  end() {
    this.#image.removeAttribute("src");
    this.outline(null);
  }

  clear() {
    this.point = null;
    this.#draw();
    this.#moved();
  }

  /** Draws a rectangle {left, top, width, height} over the master; null takes it away. */
  outline(crop) {
    this.#box.hidden = !crop;
    if (!crop) return;
    for (const side of ["left", "top", "width", "height"]) this.#box.style[side] = percent(crop[side]);
  }

  #grab(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.#stage.setPointerCapture(event.pointerId);
    this.#handle.focus({ preventScroll: true });
    this.#follow(event);
  }

  #follow({ clientX, clientY }) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    this.#set((clientX - left) / width, (clientY - top) / height);
  }

  #pressed(event) {
    const move = KEYS[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const far = event.shiftKey ? STRIDE : STEP;
    const { x, y } = this.shown;
    this.#set(x + move[0] * far, y + move[1] * far);
  }

  #set(x, y) {
    this.point = { x: within(x), y: within(y) };
    this.#draw();
    this.#moved();
  }

  #draw() {
    const { x, y } = this.shown;
    this.#handle.style.left = percent(x);
    this.#handle.style.top = percent(y);
    mark(this.#handle, "data-set", this.point !== null);
    mark(this.#handle, "aria-valuenow", Math.round(x * 100));
    mark(this.#handle, "aria-valuetext", pointWords({ x, y }));
  }
}
