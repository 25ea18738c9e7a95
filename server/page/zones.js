// What a place lays over a picture, hinted over its frame: keep words and faces out of it.

import { el } from "./dom.js";

const part = (length, whole) => `${((100 * length) / whole).toFixed(2)}%`;

/** One element for each zone of a place, to be put into anything positioned that has the place's aspect. */
export const zonesOf = ({ zones, width, height }) =>
  zones.map(({ left, top, right, bottom }) =>
    el("span", {
      class: "zone",
      vars: {
        "--left": part(left, width),
        "--top": part(top, height),
        "--right": part(width - right, width),
        "--bottom": part(height - bottom, height),
      },
    }),
  );
