import { useEffect, useState } from "react";
import type { Address } from "../address";
import { Blank } from "../gallery/Blank";
import { brand, errors, work as words } from "../messages";
import { isEnded, ProblemError } from "../served/server";
import button from "../shell/button.module.css";
import { Link } from "../shell/Link";
import { OtherJob, titleOf } from "./OtherJob";
import { useWork } from "./useWork";
import { WorkSheet } from "./WorkSheet";
import styles from "./work.module.css";

const TITLE_LENGTH = 60;

const isUnknown = (error: Error | null) => error instanceof ProblemError && error.status === 404;

/** A job by its address, live; or what was made, whose job may be long gone. */
export function WorkPage({ jobId, generationId }: Address) {
  const [cutId, setCutId] = useState<string | null>(null);
  const { job, cut, made, work } = useWork(jobId, generationId, cutId);
  const refused = jobId ? job.error : made.error;
  const going = job.view?.phase === "active" ? `${Math.round(job.view.progress)} % · ` : "";
  /** A job that makes no pictures; one that cuts some anew is told of by what it cuts. */
  const other = job.view?.job && !("generationId" in job.view.job) ? job.view.job : null;
  const subject = work?.prompt.slice(0, TITLE_LENGTH) ?? (other && titleOf(other));
  const title = subject ? `${going}${subject} · ${brand.name}` : brand.name;
  useEffect(() => {
    document.title = title;
    return () => {
      document.title = brand.name;
    };
  }, [title]);

  // A job outlives its pictures: what was deleted is gone, whatever the job still tells of it.
  const lost = isUnknown(made.error) && (job.view === null || isEnded(job.view));
  if (work && !lost) return <WorkSheet work={work} job={job} cut={cut} onCut={setCutId} />;
  if (other) return <OtherJob job={job} of={other} />;
  if (lost || isUnknown(refused)) {
    return (
      <section className={styles.gone}>
        <h1>{lost ? words.goneGeneration : words.goneTitle}</h1>
        <p>{lost ? words.goneGenerationText : words.gone}</p>
        <Link className={button.button} to="/">
          {words.toStart}
        </Link>
      </section>
    );
  }
  if (refused) {
    return (
      <section className={styles.gone} role="alert">
        <h1>{errors.away}</h1>
        <p>{refused.message}</p>
      </section>
    );
  }
  return <Blank />;
}
