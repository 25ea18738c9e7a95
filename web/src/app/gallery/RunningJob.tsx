import { placeNamed } from "../places";
import type { JobView } from "../served/server";
import { Link } from "../shell/Link";
import { useStudio } from "../shell/studio";
import { statusLine } from "../work/statusLine";
import styles from "./gallery.module.css";

/** One job that runs, as a line: its prompt, how far it is, and the way to it. */
export function RunningJob({ view }: { view: JobView }) {
  const { places } = useStudio();
  if (view.job?.kind !== "image-generation") return null;
  const { prompt, platforms } = view.job.data;
  const landed = Object.values(view.images).filter((image) => image.status === "completed").length;
  const place = (name: string) => placeNamed(places, name).fullLabel;
  return (
    <Link className={styles.job} to={`/jobs/${view.jobId}`}>
      <span className={styles.jobPrompt}>{prompt}</span>
      <span className={styles.jobLine}>
        {statusLine(view, { place, ready: landed, all: platforms.length, now: Date.now() })}
      </span>
      <span className={styles.bar} aria-hidden="true">
        <span style={{ scale: `${view.progress / 100} 1` }} />
      </span>
    </Link>
  );
}
