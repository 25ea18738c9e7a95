/** What a job has made so far: the picture as it comes about, in a place that keeps its size, and each rendition as it lands. */

import type { ReactNode } from "react";
import type { FailedPicture, JobView, RenderedPicture } from "../sdk";
import styles from "./job-monitor.module.css";
import type { JobMonitorMessages } from "./job-monitor-messages";

export interface JobPicturesProps {
  view: JobView;
  words: JobMonitorMessages;
  /** Completes an address of the server's answers. */
  url: (path: string) => string;
}

export function JobPictures({ view, words, url }: JobPicturesProps): ReactNode {
  const master = view.thumbnail ?? view.master;
  const shown = master ?? view.previews.at(-1);
  const made = Object.values(view.images);
  return (
    <>
      {shown && (
        <figure className={styles.original} aria-label={words.original}>
          <img
            src={url(shown.url)}
            alt={master ? words.master : words.preview}
            width={shown.width ?? undefined}
            height={shown.height ?? undefined}
          />
        </figure>
      )}
      {made.length > 0 && (
        <ul className={styles.pictures} aria-label={words.pictures}>
          {made.map((image) => (
            <li key={image.platform}>
              <Picture image={image} words={words} url={url} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

interface PictureProps extends Omit<JobPicturesProps, "view"> {
  image: RenderedPicture | FailedPicture;
}

function Picture({ image, words, url }: PictureProps) {
  const { platform } = image;
  if (image.status === "failed")
    return <span className={styles.failure}>{words.pictureFailed(platform, image.error)}</span>;
  return (
    <a href={url(image.url)} target="_blank" rel="noreferrer">
      <img
        src={url(image.url)}
        alt={words.picture(platform)}
        width={image.width}
        height={image.height}
        loading="lazy"
        decoding="async"
      />
    </a>
  );
}
