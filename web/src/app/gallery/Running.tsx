import { useEffect, useRef } from "react";
import { gallery as words } from "../messages";
import { useRefresh, useRunningJobs } from "../served/queries";
import { announce } from "../shell/announcer";
import styles from "./gallery.module.css";
import { RunningJob } from "./RunningJob";

/**
 * What is in the making elsewhere than on the sheet, each line live. Where one begins or ends, here or in another tab, what
 * was made is asked for anew.
 */
export function Running({ without }: { without: string | null }) {
  const { jobs, isLoading } = useRunningJobs();
  const refresh = useRefresh();
  const before = useRef<ReadonlyMap<string, string> | null>(null);
  useEffect(() => {
    if (isLoading) return;
    const now = new Map(
      jobs.map(({ jobId, job }) => [jobId, job && "prompt" in job.data ? job.data.prompt : ""]),
    );
    const known = before.current;
    before.current = now;
    if (!known) return;
    const gone = [...known].filter(([jobId]) => !now.has(jobId));
    for (const [jobId, prompt] of gone) if (prompt && jobId !== without) announce(jobId, words.ended(prompt));
    if (gone.length > 0 || now.size > known.size) refresh();
  }, [jobs, isLoading, refresh, without]);

  const shown = jobs.filter(
    ({ jobId, job }) => job?.kind === "image-generation" && jobId !== without && job.generationId !== without,
  );
  if (shown.length === 0) return null;
  return (
    <section className={styles.gallery} aria-labelledby="in-the-making">
      <h2 className={styles.title} id="in-the-making">
        {words.running}
      </h2>
      <ul className={styles.running}>
        {shown.map((view) => (
          <li key={view.jobId}>
            <RunningJob view={view} />
          </li>
        ))}
      </ul>
    </section>
  );
}
