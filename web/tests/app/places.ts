/** A small catalogue, in the form in which the server lists it. */

import { type Place, placesOf } from "../../src/app/places";
import type { Kind } from "../../src/app/served/server";

const header = { left: 0, top: 0, right: 1080, bottom: 250, coveredBy: "header" };

const LISTED = [
  { name: "instagram-post", network: "Instagram", width: 1080, height: 1080, format: "JPEG", zones: [] },
  {
    name: "instagram-story",
    network: "Instagram",
    width: 1080,
    height: 1920,
    format: "JPEG",
    zones: [header],
  },
  { name: "facebook-post", network: "Facebook", width: 1200, height: 630, format: "JPEG", zones: [] },
  { name: "twitter-header", network: "X (Twitter)", width: 1500, height: 500, format: "JPEG", zones: [] },
  { name: "pinterest-pin", network: "Pinterest", width: 1000, height: 1500, format: "JPEG", zones: [] },
];

export const kind = {
  kind: "image-generation",
  queue: "image-generation",
  attempts: 3,
  timeoutSeconds: 600,
  access: "session",
  schema: { properties: { prompt: { maxLength: 40 }, platforms: { "x-platforms": LISTED } } },
} satisfies Kind;

export const places: Place[] = placesOf(kind);
