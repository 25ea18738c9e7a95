import { useState } from "react";
import { Zones } from "../composer/Shape";
import { files, times } from "../formats";
import { copied, tile, viewer as words } from "../messages";
import type { Place } from "../places";
import button from "../shell/button.module.css";
import { copyLink } from "../shell/copy";
import { Dialog } from "../shell/Dialog";
import { Icon } from "../shell/Icon";
import { saveUrl } from "../work/Tile";
import type { Picture } from "../work/work";
import styles from "./viewer.module.css";

interface Props {
  pictures: { image: Picture; place: Place }[];
  first: string;
  prompt: string;
  onClose: () => void;
}

/** One picture large, over the page: arrow keys go to the next, Escape closes, and what a place covers can be seen. */
export function Viewer({ pictures, first, prompt, onClose }: Props) {
  const [at, setAt] = useState(() => pictures.findIndex(({ place }) => place.name === first));
  const [zones, setZones] = useState(false);
  const shown = pictures[at] ?? pictures[0];
  if (!shown) return null;
  const { image, place } = shown;
  const go = (step: number) => setAt((at + step + pictures.length) % pictures.length);
  const bare = `${button.button} ${button.only}`;
  return (
    <Dialog label={tile.alt(place.fullLabel, prompt)} className={styles.viewer} onClose={onClose}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the whole dialog */}
      <div
        className={styles.frame}
        onKeyDown={({ key }) => {
          if (key === "ArrowLeft") go(-1);
          if (key === "ArrowRight") go(1);
        }}
      >
        <header className={styles.bar}>
          <p className={styles.title} aria-live="polite">
            <b>{place.fullLabel}</b>{" "}
            <span>
              {files.pixels(image.width ?? place.width, image.height ?? place.height)} ·{" "}
              {files.format(image.contentType)} · {files.size(image.size)}
            </span>
          </p>
          {place.zones.length > 0 && (
            <button
              type="button"
              className={button.button}
              aria-pressed={zones}
              title={words.zones}
              onClick={() => setZones(!zones)}
            >
              <Icon name="zones" />
              <span className={styles.wide}>{words.zones}</span>
            </button>
          )}
          <button
            type="button"
            className={bare}
            aria-label={words.copy}
            title={words.copy}
            onClick={() => copyLink(image.url, copied.image(times.dayAndClock(image.urlExpiresAt)))}
          >
            <Icon name="link" />
          </button>
          <a
            className={bare}
            href={saveUrl(image)}
            download
            aria-label={words.download}
            title={words.download}
          >
            <Icon name="down" />
          </a>
          <button
            type="button"
            className={bare}
            aria-label={words.close}
            title={words.close}
            onClick={onClose}
          >
            <Icon name="cross" />
          </button>
        </header>
        <div className={styles.stage}>
          <div
            className={styles.picture}
            style={{ aspectRatio: place.aspect, "--aspect": place.aspect } as object}
          >
            <img key={image.fileId} src={image.url} alt={tile.alt(place.fullLabel, prompt)} />
            {zones && <Zones place={place} />}
          </div>
        </div>
        {pictures.length > 1 && (
          <div className={styles.steps}>
            <button type="button" className={bare} aria-label={words.previous} onClick={() => go(-1)}>
              <Icon name="left" />
            </button>
            <p>
              {at + 1} / {pictures.length}
            </p>
            <button type="button" className={bare} aria-label={words.next} onClick={() => go(1)}>
              <Icon name="right" />
            </button>
          </div>
        )}
      </div>
    </Dialog>
  );
}
