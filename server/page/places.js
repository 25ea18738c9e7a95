// The places a picture can go to, as the server lists them: names, labels, sizes.

function words(text) {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

/** "instagram-post" of Instagram → "Post"; "reel-cover" → "Reel cover". */
export function shortLabel(name, network) {
  const parts = name.split("-");
  const of = new Set([...words(network), words(network).join("")]);
  const rest = parts.length > 1 && of.has(parts[0]) ? parts.slice(1) : parts;
  const text = rest.join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Places by name, in the server's order. */
export class Places {
  #byName = new Map();

  /** `listed`: the `x-platforms` of the kind's schema. */
  constructor(listed) {
    for (const { name, network, width, height, format, zones = [] } of listed) {
      this.#byName.set(name, { name, network, width, height, format, zones, label: shortLabel(name, network) });
    }
  }

  get all() {
    return [...this.#byName.values()];
  }

  /** Networks in order, each with its places. */
  get networks() {
    const groups = new Map();
    for (const place of this.#byName.values()) {
      if (!groups.has(place.network)) groups.set(place.network, []);
      groups.get(place.network).push(place);
    }
    return [...groups].map(([network, places]) => ({ network, places }));
  }

  /** A place; one that is no longer listed is known by its name alone, and square. */
  get(name) {
    const unlisted = { name, network: "", width: 1, height: 1, format: "", zones: [], label: shortLabel(name, "") };
    return this.#byName.get(name) ?? unlisted;
  }

  /** Network and label in one. */
  fullLabel(name) {
    const { network, label } = this.get(name);
    return network ? `${network} ${label.toLowerCase()}` : label;
  }
}
