// What a place shows of a master: the server's own arithmetic, so that a preview is what will be cut. No DOM.
//
// All lengths are shares of the master's sides, 0 to 1. The constants and the three one-line functions are held against
// the server's by the tests, which read them from here: they use nothing but numbers, Math.min and Math.max.

/** A cover crop that would keep a smaller share of the master is not made: the whole picture is fitted in instead. */
export const KEPT_AT_LEAST = 0.4;

/** How much of a side is kept: of the width with the two aspects as they stand, of the height with them exchanged. */
export const keptOf = (aspect, masterAspect) => Math.min(1, aspect / masterAspect);

/** Where a stretch of that length begins when its middle is to be here, as nearly as the ends let. */
export const slide = (middle, length) => Math.max(0, Math.min(middle - length / 2, 1 - length));

/** The same as CSS counts it in `object-position`: the share of the room that is left before the stretch. */
export const along = (start, length) => start / Math.max(1 - length, 0.000001);

const MIDDLE = { x: 0.5, y: 0.5 };

/** The rectangle {left, top, width, height} that a place shows when it is cut around a point. */
export function coverCrop(master, place, { x, y }) {
  const [aspect, masterAspect] = [place.width / place.height, master.width / master.height];
  const [width, height] = [keptOf(aspect, masterAspect), keptOf(masterAspect, aspect)];
  return { left: slide(x, width), top: slide(y, height), width, height };
}

/** What is shown of a master: `fit` as it is really done, and the rectangle that is seen. */
export function shownOf(master, place, fit, point) {
  const crop = coverCrop(master, place, fit === "centre" ? MIDDLE : point);
  const tooLittle = fit === "cover" && crop.width * crop.height < KEPT_AT_LEAST;
  if (fit === "contain" || tooLittle) return { fit: "contain", crop: { left: 0, top: 0, width: 1, height: 1 } };
  return { fit, crop };
}
