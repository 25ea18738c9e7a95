// The sign in the bar: how this page hears of its jobs, by the worst of all their connections.

import { byId, mark, say } from "./dom.js";
import { LINK_WORDS } from "./words.js";

const WORST_FIRST = ["offline", "reconnecting", "asking", "live"];

export class LinkSign {
  #links = new Map();

  /** One job's connection has changed; null: it is no longer followed. */
  tell(id, state) {
    if (state) this.#links.set(id, state);
    else this.#links.delete(id);
    const all = new Set(this.#links.values());
    const worst = WORST_FIRST.find((one) => all.has(one)) ?? "idle";
    const sign = byId("link");
    mark(sign, "data-link", all.has("live") && worst === "asking" ? "live" : worst);
    say(byId("link-text"), LINK_WORDS[sign.dataset.link]);
  }
}
