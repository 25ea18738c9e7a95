import { useId } from "react";
import { work as words } from "../messages";
import type { Job, JobStatusResult } from "../served/server";
import { Progress } from "./Progress";
import { Steps } from "./Steps";
import { Trouble } from "./Trouble";
import styles from "./work.module.css";

/** What a job that makes no pictures does: in words where there are some for its kind, else its name. */
export function titleOf({ kind }: { kind: string }): string {
  const name = kind.replace(/[-_]/g, " ");
  return words.kinds[kind] ?? name.charAt(0).toUpperCase() + name.slice(1);
}

/** A job that makes no pictures, live: what it is, how far, and why it failed. */
export function OtherJob({ job, of }: { job: JobStatusResult; of: Job }) {
  const heading = useId();
  return (
    <article className={styles.work} aria-labelledby={heading}>
      <h1 id={heading} className={styles.prompt}>
        {titleOf(of)}
      </h1>
      <Progress work={{ tiles: [], createdAt: of.createdAt }} job={job} />
      <Trouble view={job.view} cut={null} />
      {job.view && <Steps steps={job.view.steps} />}
    </article>
  );
}
