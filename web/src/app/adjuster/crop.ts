/**
 * What a place shows of a master: the server's own arithmetic, so that a preview is what will be cut.
 *
 * All lengths are shares of the master's sides, 0 to 1.
 */

import type { Fit, FocalPoint } from "../served/server";

export interface Size {
  width: number;
  height: number;
}

export interface Crop extends Size {
  left: number;
  top: number;
}

/** A cover crop that would keep a smaller share of the master is not made: the whole picture is fitted in instead. */
export const KEPT_AT_LEAST = 0.4;

const MIDDLE: FocalPoint = { x: 0.5, y: 0.5 };
const WHOLE: Crop = { left: 0, top: 0, width: 1, height: 1 };

/** How much of a side is kept: of the width with the aspects as they stand, of the height with them exchanged. */
const keptOf = (aspect: number, masterAspect: number) => Math.min(1, aspect / masterAspect);

/** Where a stretch of that length begins when its middle is to be here, as nearly as the ends let. */
const slide = (middle: number, length: number) => Math.max(0, Math.min(middle - length / 2, 1 - length));

/** The same as CSS counts it in `object-position`: the share of the room that is left before the stretch. */
export const along = (start: number, length: number): number => start / Math.max(1 - length, 0.000001);

/** The rectangle that a place shows when it is cut around a point. */
export function coverCrop(master: Size, place: Size, { x, y }: FocalPoint): Crop {
  const [aspect, masterAspect] = [place.width / place.height, master.width / master.height];
  const [width, height] = [keptOf(aspect, masterAspect), keptOf(masterAspect, aspect)];
  return { left: slide(x, width), top: slide(y, height), width, height };
}

/** What is shown of a master: `fit` as it is really done, and the rectangle that is seen. */
export function shownOf(master: Size, place: Size, fit: Fit, point: FocalPoint): { fit: Fit; crop: Crop } {
  const crop = coverCrop(master, place, fit === "centre" ? MIDDLE : point);
  const tooLittle = fit === "cover" && crop.width * crop.height < KEPT_AT_LEAST;
  return fit === "contain" || tooLittle ? { fit: "contain", crop: WHOLE } : { fit, crop };
}
