import { useEffect, useState } from "react";
import { Zones } from "../composer/Shape";
import { files, times } from "../formats";
import { adviceFor, copied, tile as words } from "../messages";
import type { Place } from "../places";
import { useRefresh } from "../served/queries";
import button from "../shell/button.module.css";
import { copyLink } from "../shell/copy";
import { Icon } from "../shell/Icon";
import styles from "./tiles.module.css";
import type { Picture, Work, WorkTile } from "./work";

/** Where a file is handed over to be kept, instead of being shown. Its address may carry a signature already. */
export const saveUrl = ({ url }: { url: string }): string =>
  `${url}${url.includes("?") ? "&" : "?"}download=1`;

const positionOf = (point: { x: number; y: number } | null) =>
  point ? { objectPosition: `${point.x * 100}% ${point.y * 100}%` } : {};

interface Props {
  tile: WorkTile;
  place: Place;
  work: Work;
  onOpen: () => void;
}

/** One cut: blank, then the picture shining through, then its own; or why there is none. */
export function Tile({ tile, place, work, onOpen }: Props) {
  const { image, state, error, recutting } = tile;
  const [shown, setShown] = useState<string | null>(null);
  const there = image !== null && shown === image.fileId;
  const proof = !there && state !== "blank" && state !== "failed" ? work.proof : null;
  return (
    <figure className={styles.tile} data-state={there || state !== "ready" ? state : "developing"}>
      <div className={styles.paper} aria-busy={recutting || undefined}>
        {proof && <Proof src={proof} focal={work.focal} />}
        {!image && !proof && state !== "failed" && <Zones place={place} />}
        {image && (
          <button
            type="button"
            className={styles.open}
            aria-label={words.open(place.fullLabel)}
            onClick={onOpen}
          >
            <Developing image={image} alt={words.alt(place.fullLabel, work.prompt)} onShown={setShown} />
          </button>
        )}
        {state === "failed" && (
          <p className={styles.why} title={error ? adviceFor(error.code, error.retryable) : undefined}>
            <Icon name="alert" />
            {error?.message}
          </p>
        )}
        {(state === "working" || recutting) && <span className={styles.working} title={words.working} />}
      </div>
      <Caption place={place} image={image} code={error?.code} />
    </figure>
  );
}

/** The picture so far; a preview that did not come leaves the tile as it was. */
function Proof({ src, focal }: { src: string; focal: Work["focal"] }) {
  const [lost, setLost] = useState("");
  if (lost === src) return null;
  return (
    <img className={styles.proof} src={src} alt="" style={positionOf(focal)} onError={() => setLost(src)} />
  );
}

/** A picture that does not come is asked for so often, with such pauses. */
const TRIES = 3;
const AGAIN_MS = 2_000;

interface DevelopingProps {
  image: Picture;
  alt: string;
  onShown: (fileId: string) => void;
}

/** A picture that replaces another lies over it until it has come; an address that is too old is asked for anew. */
function Developing({ image, alt, onShown }: DevelopingProps) {
  const refresh = useRefresh();
  const [before, setBefore] = useState<Picture | null>(null);
  const [now, setNow] = useState(image);
  const [ready, setReady] = useState(false);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (image.fileId === now.fileId) return;
    setBefore(ready ? now : null);
    setNow(image);
    setReady(false);
    setTries(0);
  }, [image, now, ready]);
  const askAgain = () => {
    refresh();
    setTimeout(() => setTries(tries + 1), AGAIN_MS);
  };
  if (tries >= TRIES) return <span className={styles.lost}>{words.lost}</span>;
  return (
    <>
      {before && !ready && <img className={styles.before} src={before.url} alt="" />}
      <img
        key={`${now.fileId} ${tries}`}
        className={styles.picture}
        src={tries > 0 && image.fileId === now.fileId ? image.url : now.url}
        alt={alt}
        width={now.width ?? undefined}
        height={now.height ?? undefined}
        decoding="async"
        data-ready={ready || undefined}
        onLoad={() => {
          setReady(true);
          onShown(now.fileId);
        }}
        onError={askAgain}
      />
    </>
  );
}

/** What it is and what can be done with it; as high and as wide before the picture has come as afterwards. */
function Caption({ place, image, code }: { place: Place; image: Picture | null; code: string | undefined }) {
  const size = place.width > 1 ? files.pixels(place.width, place.height) : "";
  const fitted = image?.fit ? words.fits[image.fit] : "";
  const about = code ?? [size, fitted].filter(Boolean).join(" · ");
  const what = image ? `${files.format(image.contentType)}, ${files.size(image.size)}` : "";
  return (
    <figcaption className={styles.caption}>
      <p className={styles.label}>
        <b>{place.fullLabel}</b>
        <span title={about}>{about}</span>
      </p>
      <span className={styles.acts}>
        {image && (
          <>
            <button
              type="button"
              className={`${button.button} ${button.only} ${button.bare} ${styles.copy}`}
              aria-label={words.copy(place.fullLabel)}
              title={words.copy(place.fullLabel)}
              onClick={() => copyLink(image.url, copied.image(times.dayAndClock(image.urlExpiresAt)))}
            >
              <Icon name="link" />
            </button>
            <a
              className={`${button.button} ${button.only} ${button.bare}`}
              href={saveUrl(image)}
              download
              aria-label={words.download(place.fullLabel, what)}
              title={words.download(place.fullLabel, what)}
            >
              <Icon name="down" />
            </a>
          </>
        )}
      </span>
    </figcaption>
  );
}
