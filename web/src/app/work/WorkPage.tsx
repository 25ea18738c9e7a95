import { useEffect, useState } from "react";
import { Link, useParams } from "react-router";
import { Blank } from "../gallery/Blank";
import { brand, errors, work as words } from "../messages";
import { ProblemError } from "../served/server";
import button from "../shell/button.module.css";
import { useWork } from "./useWork";
import { WorkSheet } from "./WorkSheet";
import styles from "./work.module.css";

const TITLE_LENGTH = 60;

/** A job by its address, live; or what was made, whose job may be long gone. */
export function WorkPage() {
  const { jobId = null, generationId = null } = useParams();
  return <OneWork key={jobId ?? generationId} jobId={jobId} generationId={generationId} />;
}

function OneWork({ jobId, generationId }: { jobId: string | null; generationId: string | null }) {
  const [cutId, setCutId] = useState<string | null>(null);
  const { job, cut, made, work } = useWork(jobId, generationId, cutId);
  const refused = jobId ? job.error : made.error;
  const going = job.view?.phase === "active" ? `${Math.round(job.view.progress)} % · ` : "";
  const title = work ? `${going}${work.prompt.slice(0, TITLE_LENGTH)} · ${brand.name}` : brand.name;
  useEffect(() => {
    document.title = title;
    return () => {
      document.title = brand.name;
    };
  }, [title]);

  if (work) return <WorkSheet work={work} job={job} cut={cut} onCut={setCutId} />;
  if (refused instanceof ProblemError && refused.status === 404) {
    return (
      <section className={styles.gone}>
        <h1>{jobId ? words.goneTitle : words.goneGeneration}</h1>
        <p>{jobId ? words.gone : words.goneGenerationText}</p>
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
