import type { CSSProperties } from "react";
import { Zones } from "../composer/Shape";
import { files } from "../formats";
import { composer, tile } from "../messages";
import type { Place } from "../places";
import type { Fit, FocalPoint } from "../served/server";
import { Icon } from "../shell/Icon";
import styles from "./adjuster.module.css";
import { along, type Crop, type Size, shownOf } from "./crop";

interface Props {
  place: Place;
  master: Size;
  src: string;
  fit: Fit;
  point: FocalPoint;
  checked: boolean;
  onSet: (on: boolean) => void;
  onOutline: (crop: Crop | null) => void;
}

/** How one place will show the master: the same cut as the server makes, drawn by the browser, with a box to choose it. */
export function CutPreview({ place, master, src, fit, point, checked, onSet, onOutline }: Props) {
  const { fit: done, crop } = shownOf(master, place, fit, point);
  const at = done === "contain" ? [0.5, 0.5] : [along(crop.left, crop.width), along(crop.top, crop.height)];
  const note = done === fit ? "" : tile.fits[done];
  const covered = composer.covered([...new Set(place.zones.map(({ coveredBy }) => coveredBy))]);
  return (
    <label
      className={styles.preview}
      style={{ "--aspect": place.aspect } as CSSProperties}
      onPointerEnter={() => onOutline(crop)}
      onPointerLeave={() => onOutline(null)}
    >
      <input
        type="checkbox"
        aria-label={`${place.fullLabel}, ${files.pixels(place.width, place.height)}${covered}`}
        checked={checked}
        onChange={({ target }) => onSet(target.checked)}
        onFocus={() => onOutline(crop)}
        onBlur={() => onOutline(null)}
      />
      <span className={styles.paper} data-fit={done}>
        {done === "contain" && <img className={styles.back} src={src} alt="" draggable={false} />}
        <img
          className={styles.front}
          src={src}
          alt=""
          draggable={false}
          style={{ objectPosition: at.map((share) => `${share * 100}%`).join(" ") }}
        />
        <Zones place={place} />
        <span className={styles.square}>
          <Icon name="check" />
        </span>
      </span>
      <span className={styles.name}>{place.fullLabel}</span>
      <span className={styles.note}>
        {[files.pixels(place.width, place.height), note].filter(Boolean).join(" · ")}
      </span>
    </label>
  );
}
