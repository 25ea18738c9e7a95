import { useEffect, useState } from "react";
import { times } from "../formats";
import { connection, work as words } from "../messages";
import { placeNamed } from "../places";
import { isEnded, type JobStatusResult, type JobView } from "../served/server";
import { announce } from "../shell/announcer";
import { Icon, type IconName } from "../shell/Icon";
import { useStudio } from "../shell/studio";
import { statusLine } from "./statusLine";
import { readyTiles, type Work } from "./work";
import styles from "./work.module.css";

const SIGNS: Partial<Record<JobView["phase"], IconName>> = {
  completed: "check",
  failed: "cross",
  cancelled: "dash",
};
const QUIET = new Set(["live", "idle", "closed", "connecting"]);
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** The time, anew after each pause. */
function useNow(pause: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), pause);
    return () => clearInterval(timer);
  }, [pause]);
  return now;
}

interface Props {
  work: Pick<Work, "tiles" | "createdAt">;
  job: JobStatusResult;
  /** The job that cuts anew, for what can be cut. */
  cut?: JobStatusResult;
}

/** How far it is: the job that cuts anew while one runs, else the job itself. Keeps its height whatever it says. */
export function Progress({ work, job, cut }: Props) {
  const { places } = useStudio();
  const going = cut?.view && !isEnded(cut.view) ? cut : job;
  const { view } = going;
  const now = useNow(view?.phase === "delayed" ? SECOND_MS : MINUTE_MS);
  const place = (name: string) => placeNamed(places, name).fullLabel;
  const ready = readyTiles(work).length;
  const line = view ? statusLine(view, { place, ready, all: work.tiles.length, now }) : words.made(ready);
  const subject = view?.jobId;
  useEffect(() => {
    if (subject) announce(subject, line);
  }, [subject, line]);

  const over = !view || isEnded(view);
  const shown = Math.round(over && view?.phase !== "failed" ? 100 : (view?.progress ?? 0));
  const sign = SIGNS[view?.phase ?? "completed"];
  const stopping = view?.phase === "active" && view.cancelRequested;
  return (
    <div
      className={styles.progress}
      data-over={over || undefined}
      data-phase={stopping ? "cancelling" : (view?.phase ?? "completed")}
    >
      <p className={styles.line}>
        <span className={styles.sign} aria-hidden="true">
          {sign && <Icon name={sign} />}
        </span>
        <span className={styles.text}>{line}</span>
        {!over && !QUIET.has(going.connection) && (
          <span className={styles.link}>{connection[going.connection]}</span>
        )}
        {!over && (
          <span className={styles.percent}>{view.phase === "active" && !stopping && `${shown} %`}</span>
        )}
        {work.createdAt && (
          <time className={styles.time} dateTime={work.createdAt} title={times.dayAndClock(work.createdAt)}>
            {times.ago(work.createdAt, now)}
          </time>
        )}
      </p>
      <div
        className={styles.track}
        role="progressbar"
        aria-label={words.progress}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={shown}
        aria-valuetext={`${shown} %, ${line}`}
        aria-hidden={over || undefined}
      >
        <span style={{ scale: `${shown / 100} 1` }} />
      </div>
    </div>
  );
}
