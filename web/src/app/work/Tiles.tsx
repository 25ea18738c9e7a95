import type { CSSProperties } from "react";
import { type Place, placeNamed } from "../places";
import { useStudio } from "../shell/studio";
import { Tile } from "./Tile";
import styles from "./tiles.module.css";
import type { Work, WorkTile } from "./work";

/** How wide tiles are drawn: between one height for all (1) and one area for all (0.5). */
const EVENING = 0.62;

/** Tiles with their places, narrow ones first, for even rows. */
export const inRows = (tiles: readonly WorkTile[], places: readonly Place[]) =>
  tiles
    .map((tile) => ({ tile, place: placeNamed(places, tile.platform) }))
    .sort((a, b) => a.place.aspect - b.place.aspect);

/** A tile for each cut, its room reserved by aspect before there is any picture. */
export function Tiles({ work, onOpen }: { work: Work; onOpen: (platform: string) => void }) {
  const { places } = useStudio();
  return (
    <ul className={styles.tiles}>
      {inRows(work.tiles, places).map(({ tile, place }) => (
        <li
          key={tile.platform}
          className={styles.item}
          style={{ "--aspect": place.aspect, "--wide": place.aspect ** EVENING } as CSSProperties}
        >
          <Tile tile={tile} place={place} work={work} onOpen={() => onOpen(tile.platform)} />
        </li>
      ))}
    </ul>
  );
}
