import { Suspense, useEffect, useId, useState } from "react";
import { work as words } from "../messages";
import { isEnded, type JobStatusResult } from "../served/server";
import { announce } from "../shell/announcer";
import { Later, later } from "../shell/Later";
import { useStudio } from "../shell/studio";
import { Facts } from "./Facts";
import { Progress } from "./Progress";
import { Prompt } from "./Prompt";
import { Steps } from "./Steps";
import { inRows, Tiles } from "./Tiles";
import { Trouble } from "./Trouble";
import { WorkActions } from "./WorkActions";
import { readyTiles, type Work } from "./work";
import styles from "./work.module.css";

const Adjuster = later(async () => (await import("../adjuster/Adjuster")).Adjuster);
const Viewer = later(async () => (await import("../dialogs/Viewer")).Viewer);
const Deleting = later(async () => (await import("../dialogs/Deleting")).Deleting);

interface Props {
  work: Work;
  job: JobStatusResult;
  /** The job that cuts anew, idle when there is none. */
  cut: JobStatusResult;
  onCut: (jobId: string) => void;
}

type Open = { what: "viewer"; platform: string } | { what: "adjuster" | "deleting" } | null;

/** One picture and all of its cuts: what was asked for, how far it is, each cut as it lands, and what can be done. */
export function WorkSheet({ work, job, cut, onCut }: Props) {
  const { places } = useStudio();
  const heading = useId();
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);
  const over = job.view !== null && isEnded(job.view) && (cut.view === null || isEnded(cut.view));
  const bare = over && readyTiles(work).length === 0 && work.master === null;
  const canAdjust = work.master !== null && work.generationId !== null;

  useEffect(() => {
    const asked = () => canAdjust && setOpen({ what: "adjuster" });
    addEventListener("studio:adjust", asked);
    return () => removeEventListener("studio:adjust", asked);
  }, [canAdjust]);

  return (
    <article className={styles.work} aria-labelledby={heading}>
      <header className={styles.head}>
        <Prompt id={heading} text={work.prompt} />
        <WorkActions
          work={work}
          job={job}
          cut={cut}
          onAdjust={() => setOpen({ what: "adjuster" })}
          onDelete={() => setOpen({ what: "deleting" })}
        />
      </header>
      <Progress work={work} job={job} cut={cut} />
      {!bare && <Tiles work={work} onOpen={(platform) => setOpen({ what: "viewer", platform })} />}
      <Trouble view={job.view} cut={cut.view} />
      <Facts work={work} job={job.view?.job ?? null} />
      {job.view && <Steps steps={job.view.steps} />}
      <Suspense>
        {open?.what === "adjuster" && (
          <Later onClose={close}>
            <Adjuster
              work={work}
              onClose={close}
              onCut={(jobId) => {
                onCut(jobId);
                close();
                announce("cut", words.acceptedCut);
              }}
            />
          </Later>
        )}
        {open?.what === "viewer" && (
          <Later onClose={close}>
            <Viewer
              pictures={inRows(work.tiles, places).flatMap(({ tile: { image }, place }) =>
                image ? [{ image, place }] : [],
              )}
              first={open.platform}
              prompt={work.prompt}
              onClose={close}
            />
          </Later>
        )}
        {open?.what === "deleting" && (
          <Later onClose={close}>
            <Deleting work={work} onClose={close} />
          </Later>
        )}
      </Suspense>
    </article>
  );
}
