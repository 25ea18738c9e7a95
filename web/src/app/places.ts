/** The places a picture can go to, as the server's catalogue lists them: names, labels, sizes, what covers them. */

import type { Kind, Platform } from "./served/server";

/** A part of a picture that a place lays something over; pixels of the place's own size. */
export interface Zone {
  left: number;
  top: number;
  right: number;
  bottom: number;
  coveredBy: string;
}

export interface Place {
  name: Platform;
  network: string;
  /** Within its network: "Post". */
  label: string;
  /** Of itself: "Instagram post". */
  fullLabel: string;
  width: number;
  height: number;
  aspect: number;
  format: string;
  zones: Zone[];
}

export interface Network {
  network: string;
  places: Place[];
}

interface Listed {
  name: Platform;
  network: string;
  width: number;
  height: number;
  format: string;
  zones?: Zone[];
}

const wordsOf = (text: string) => text.toLowerCase().match(/[a-z0-9]+/g) ?? [];

/** "instagram-post" of Instagram → "Post"; "reel-cover" → "Reel cover". */
export function shortLabel(name: string, network: string): string {
  const parts = name.split("-");
  const own = new Set([...wordsOf(network), wordsOf(network).join("")]);
  const text = (parts.length > 1 && own.has(parts[0] ?? "") ? parts.slice(1) : parts).join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function placeOf({ name, network, width, height, format, zones = [] }: Listed): Place {
  const label = shortLabel(name, network);
  const fullLabel = network ? `${network} ${label.toLowerCase()}` : label;
  return { name, network, label, fullLabel, width, height, aspect: width / height, format, zones };
}

/** All places that a kind of job lists, in its order; none if it lists none. */
export function placesOf(kind: Kind | undefined): Place[] {
  const properties = kind?.schema.properties as Record<string, Record<string, unknown>> | undefined;
  const listed = properties?.platforms?.["x-platforms"];
  return Array.isArray(listed) ? (listed as Listed[]).map(placeOf) : [];
}

/** A place by its name; one that is no longer listed is known by its name alone, and square. */
export function placeNamed(places: readonly Place[], name: string): Place {
  const known = places.find((place) => place.name === name);
  return known ?? placeOf({ name: name as Platform, network: "", width: 1, height: 1, format: "" });
}

/** Networks in the order in which they come first, each with its places. */
export function networksOf(places: readonly Place[]): Network[] {
  const groups = new Map<string, Place[]>();
  for (const place of places) groups.set(place.network, [...(groups.get(place.network) ?? []), place]);
  return [...groups].map(([network, members]) => ({ network, places: members }));
}

/**
 * Networks put into rows of so many columns without a gap where one can be avoided: the next that still fits is
 * taken. So the order on the page is the order of the keyboard, too.
 */
export function packed(networks: readonly Network[], columns: number): Network[] {
  const left = [...networks];
  const order: Network[] = [];
  let room = columns;
  while (left.length > 0) {
    const at = left.findIndex(({ places }) => places.length <= room);
    const [next] = left.splice(Math.max(0, at), 1);
    if (!next) break;
    const taken = Math.min(columns, next.places.length);
    room = (at < 0 ? columns : room) - taken;
    if (room <= 0) room = columns;
    order.push(next);
  }
  return order;
}

const FIRST_CHOICE = 4;
/** No two places of the first choice have aspects closer than this factor. */
const ALIKE = 1.15;

/** What is chosen on a first visit: a few places of different networks that look different. */
export function firstChoice(places: readonly Place[]): Platform[] {
  const picked: Place[] = [];
  for (const { places: members } of networksOf(places)) {
    const [place] = members;
    const alike = (other: Place) => Math.abs(Math.log((place?.aspect ?? 1) / other.aspect)) < Math.log(ALIKE);
    if (place && !picked.some(alike)) picked.push(place);
  }
  return picked.slice(0, FIRST_CHOICE).map(({ name }) => name);
}
