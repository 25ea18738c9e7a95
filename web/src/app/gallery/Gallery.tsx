import { Suspense, useState } from "react";
import { times } from "../formats";
import { status, gallery as words } from "../messages";
import { useGenerations } from "../served/queries";
import type { Generation } from "../served/server";
import button from "../shell/button.module.css";
import { Icon } from "../shell/Icon";
import { Later, later } from "../shell/Later";
import { Link } from "../shell/Link";
import styles from "./gallery.module.css";

export const loadEmpty = () => import("./Empty");
const Empty = later(async () => (await loadEmpty()).Empty);

/** All that was made, newest first, as small pictures; without any, what to do. */
export function Gallery({ without, welcome }: { without: string | null; welcome: boolean }) {
  const pages = useGenerations();
  const made = pages.data?.pages.flatMap(({ generations }) => generations) ?? [];
  const shown = made.filter(
    (one) => ![one.jobId, one.generationId].includes(without ?? "") && one.status !== "running",
  );
  const pending = <div className={styles.pending} role="status" aria-label={words.loading} />;
  // It is asked for again by itself, and stays said meanwhile.
  if (!pages.data && pages.errorUpdateCount > 0) {
    return (
      <p className={styles.failed}>
        {words.failed}{" "}
        <button type="button" className={button.quiet} onClick={() => pages.refetch()}>
          {words.again}
        </button>
      </p>
    );
  }
  if (pages.isPending) return pending;
  if (made.length === 0 && welcome) {
    return (
      <Suspense fallback={pending}>
        <Later>
          <Empty />
        </Later>
      </Suspense>
    );
  }
  if (shown.length === 0) return null;
  return (
    <section className={styles.gallery} aria-labelledby="made-before">
      <h2 className={styles.title} id="made-before">
        {words.title}
      </h2>
      <ul className={styles.thumbs}>
        {shown.map((one) => (
          <li key={one.generationId}>
            <Thumb made={one} />
          </li>
        ))}
      </ul>
      {pages.hasNextPage && (
        <button
          type="button"
          className={`${button.button} ${styles.older}`}
          aria-disabled={pages.isFetchingNextPage || undefined}
          onClick={() => void pages.fetchNextPage()}
        >
          {pages.isFetchingNextPage ? words.loading : words.older}
        </button>
      )}
    </section>
  );
}

function Thumb({ made }: { made: Generation }) {
  const { request, images, thumbnail, status: ended, createdAt } = made;
  const [lost, setLost] = useState<string | null>(null);
  const small = thumbnail ?? images[0];
  const point = thumbnail ? (request.focalPoint ?? made.made?.focalPoint) : null;
  const what = ended === "completed" || ended === "running" ? words.made(images.length) : status[ended];
  return (
    <Link className={styles.thumb} to={`/generations/${made.generationId}`}>
      <span className={styles.picture} data-state={ended}>
        {small && lost !== small.url ? (
          <img
            src={small.url}
            alt=""
            loading="lazy"
            decoding="async"
            style={point ? { objectPosition: `${point.x * 100}% ${point.y * 100}%` } : undefined}
            onError={() => setLost(small.url)}
          />
        ) : (
          <Icon name={ended === "failed" ? "alert" : "dash"} />
        )}
      </span>
      <span className={styles.prompt}>{request.prompt}</span>
      <span className={styles.facts}>
        {what} · {times.day(createdAt)}
      </span>
    </Link>
  );
}
