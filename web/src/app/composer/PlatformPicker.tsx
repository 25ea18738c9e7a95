import { type CSSProperties, useEffect, useId, useRef } from "react";
import { files } from "../formats";
import { composer as words } from "../messages";
import { type Network, networksOf, type Place, packed } from "../places";
import type { Platform } from "../served/server";
import button from "../shell/button.module.css";
import { Icon } from "../shell/Icon";
import styles from "./picker.module.css";
import { Shape } from "./Shape";

const COLUMNS = 4;

interface Props {
  places: readonly Place[];
  chosen: readonly Platform[];
  onChange: (chosen: Platform[]) => void;
  problem: string;
}

/** Where the picture goes: places by network, each drawn in its true aspect with the parts that are covered there. */
export function PlatformPicker({ places, chosen, onChange, problem }: Props) {
  const complaint = useId();
  /** Keeps the server's order, whatever was clicked when. */
  const choose = (wanted: (name: Platform) => boolean) =>
    onChange(places.map(({ name }) => name).filter((name) => wanted(name)));
  const set = (names: readonly Platform[], on: boolean) =>
    choose((name) => (names.includes(name) ? on : chosen.includes(name)));
  return (
    <fieldset className={styles.field} aria-describedby={problem ? complaint : undefined}>
      <legend className={styles.legend}>
        {words.places} <span className={styles.count}>{words.chosen(chosen.length, places.length)}</span>
      </legend>
      <p className={styles.bulk}>
        <button type="button" className={button.quiet} onClick={() => choose(() => true)}>
          {words.all}
        </button>
        <button type="button" className={button.quiet} onClick={() => choose(() => false)}>
          {words.none}
        </button>
      </p>
      {problem && (
        <p className={styles.problem} id={complaint}>
          {problem}
        </p>
      )}
      <div className={styles.picker}>
        {packed(networksOf(places), COLUMNS).map((network) => (
          <NetworkGroup key={network.network} network={network} chosen={chosen} onSet={set} />
        ))}
      </div>
      <p className={styles.note}>
        <span className={styles.swatch} aria-hidden="true" />
        {words.zonesNote}
      </p>
    </fieldset>
  );
}

interface GroupProps {
  network: Network;
  chosen: readonly Platform[];
  onSet: (names: readonly Platform[], on: boolean) => void;
}

function NetworkGroup({ network: { network, places }, chosen, onSet }: GroupProps) {
  const names = places.map(({ name }) => name);
  const on = names.filter((name) => chosen.includes(name)).length;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is no good grid item, and the picker is one already
    <div
      className={styles.group}
      role="group"
      aria-label={network}
      style={{ "--span": places.length } as CSSProperties}
    >
      {places.length > 1 ? (
        <WholeNetwork name={network} on={on} all={names.length} onSet={(wanted) => onSet(names, wanted)} />
      ) : (
        <p className={styles.network}>{network}</p>
      )}
      <div className={styles.tiles}>
        {places.map((place) => (
          <PlaceTile
            key={place.name}
            place={place}
            checked={chosen.includes(place.name)}
            onSet={(wanted) => onSet([place.name], wanted)}
          />
        ))}
      </div>
    </div>
  );
}

interface WholeProps {
  name: string;
  on: number;
  all: number;
  onSet: (on: boolean) => void;
}

/** A box that stands for all of a group: checked, unchecked, or neither when they differ. */
export function WholeNetwork({ name, on, all, onSet }: WholeProps) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current) box.current.indeterminate = on > 0 && on < all;
  }, [on, all]);
  return (
    <label className={styles.network}>
      <input
        ref={box}
        type="checkbox"
        aria-label={words.wholeNetwork(name)}
        checked={on === all}
        onChange={({ target }) => onSet(target.checked)}
      />
      <span className={styles.square} aria-hidden="true">
        <Icon name={on === all ? "check" : "dash"} />
      </span>
      {name}
    </label>
  );
}

interface TileProps {
  place: Place;
  checked: boolean;
  onSet: (on: boolean) => void;
}

function PlaceTile({ place, checked, onSet }: TileProps) {
  const covered = words.covered([...new Set(place.zones.map(({ coveredBy }) => coveredBy))]);
  const whole = `${place.fullLabel}, ${files.pixels(place.width, place.height)}${covered}`;
  return (
    <label className={styles.tile} title={whole}>
      <input
        type="checkbox"
        name="platforms"
        value={place.name}
        aria-label={whole}
        checked={checked}
        onChange={({ target }) => onSet(target.checked)}
      />
      <span className={styles.room}>
        <Shape place={place} />
      </span>
      <span className={styles.name}>{place.label}</span>
    </label>
  );
}
