import type { CSSProperties } from "react";
import type { Place } from "../places";
import { Icon } from "../shell/Icon";
import styles from "./picker.module.css";

const part = (length: number, whole: number) => `${((100 * length) / whole).toFixed(2)}%`;

/** What a place lays over a picture, for anything positioned that has the place's aspect. */
export function Zones({ place }: { place: Place }) {
  return place.zones.map(({ left, top, right, bottom, coveredBy }) => (
    <span
      key={`${coveredBy}-${top}`}
      className={styles.zone}
      style={{
        left: part(left, place.width),
        top: part(top, place.height),
        right: part(place.width - right, place.width),
        bottom: part(place.height - bottom, place.height),
      }}
    />
  ));
}

/** From this aspect on there is no room for a check. */
const FLAT = 4;

/** A place's aspect, drawn with one area for all, so that none looks more important than another. */
export function Shape({ place }: { place: Place }) {
  const measures = { "--aspect": place.aspect, "--wide": Math.sqrt(place.aspect) } as CSSProperties;
  return (
    <span className={styles.shape} style={measures}>
      <Zones place={place} />
      {place.aspect < FLAT && <Icon name="check" />}
    </span>
  );
}
