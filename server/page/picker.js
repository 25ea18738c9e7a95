// The picker of places: grouped by network, each drawn in its true aspect ratio, the choice kept in the browser.

import { byId, el, icon, say } from "./dom.js";
import { rememberPlaces, rememberedPlaces } from "./memory.js";
import { WholeGroup } from "./whole_group.js";
import { coveredWords } from "./words.js";
import { zonesOf } from "./zones.js";

const FIRST_CHOICE = 4; // on a first visit: so many places
const ALIKE = 1.15; // and no two of them with aspects closer than this factor

/** A shape of the same area for every place, so that none looks more important than another. */
function shape(place) {
  const aspect = place.width / place.height;
  const vars = { "--aspect": aspect, "--wide": Math.sqrt(aspect) };
  return el("span", { class: "shape", vars }, ...zonesOf(place), icon("check"));
}

/** Emits "change" whenever the choice changes. */
export class Picker extends EventTarget {
  #places;
  #boxes = new Map();
  #groups = [];

  constructor(places) {
    super();
    this.#places = places;
    const root = byId("picker");
    root.replaceChildren(...places.networks.map((group) => this.#group(group)));
    root.addEventListener("change", () => this.#changed());
    root.removeAttribute("aria-busy");
    byId("pick-all").addEventListener("click", () => this.choose(places.all.map(({ name }) => name)));
    byId("pick-none").addEventListener("click", () => this.choose([]));
    const remembered = rememberedPlaces()?.filter((name) => this.#boxes.has(name));
    this.choose(remembered?.length ? remembered : this.#firstChoice());
  }

  /** Names of the chosen places, in the server's order. */
  get chosen() {
    return [...this.#boxes].filter(([, box]) => box.checked).map(([name]) => name);
  }

  choose(names) {
    const wanted = new Set(names);
    for (const [name, box] of this.#boxes) box.checked = wanted.has(name);
    this.#changed();
  }

  #firstChoice() {
    const picked = [];
    const alike = (a, b) => Math.abs(Math.log((a.width * b.height) / (a.height * b.width))) < Math.log(ALIKE);
    for (const {
      places: [place],
    } of this.#places.networks) {
      if (!picked.some((other) => alike(place, other))) picked.push(place);
    }
    return picked.slice(0, FIRST_CHOICE).map(({ name }) => name);
  }

  #group({ network, places }) {
    const tiles = places.map((place) => this.#tile(place));
    const whole = new WholeGroup(
      network,
      places.map(({ name }) => this.#boxes.get(name)),
    );
    this.#groups.push(whole);
    return el(
      "div",
      { class: "group", role: "group", "aria-label": network },
      whole.node,
      el("div", { class: "tiles" }, ...tiles),
    );
  }

  #tile(place) {
    const size = `${place.width} × ${place.height}`;
    const box = el("input", { type: "checkbox", name: "platforms", value: place.name });
    this.#boxes.set(place.name, box);
    return el(
      "label",
      { class: "tile", title: `${this.#places.fullLabel(place.name)}, ${size}${coveredWords(place.zones)}` },
      box,
      el("span", { class: "shape-room" }, shape(place)),
      el("span", { class: "tile-name" }, place.label),
      el("span", { class: "unseen" }, `, ${size}${coveredWords(place.zones)}`),
    );
  }

  #changed() {
    const { chosen } = this;
    for (const whole of this.#groups) whole.draw();
    say(byId("picked"), `${chosen.length} of ${this.#boxes.size} chosen`);
    rememberPlaces(chosen);
    this.dispatchEvent(new Event("change"));
  }
}
