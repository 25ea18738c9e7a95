import { useEffect, useRef, useState } from "react";
import { useGeneration, useRefresh, useRunningJobs } from "../served/queries";
import { isEnded, type JobView, useJobStatus } from "../served/server";
import { workOf } from "./work";

/** The job that cuts anew what a generation has, as far as is known: the one that was begun here, else one that runs. */
function useCut(generationId: string | null, begun: string | null) {
  const cuts = ({ job }: JobView) => job?.kind === "image-renditions" && job.generationId === generationId;
  const running = useRunningJobs().jobs.find(cuts)?.jobId;
  const [last, setLast] = useState(begun);
  const now = running ?? begun;
  useEffect(() => {
    if (now) setLast(now);
  }, [now]);
  return useJobStatus(now ?? last);
}

/** Calls `act` when a job that was seen to go on has ended. */
function useEnd(view: JobView | null, act: () => void): void {
  const going = useRef<string | null>(null);
  useEffect(() => {
    if (!view || view.phase === "loading") return;
    const seen = going.current;
    going.current = isEnded(view) ? null : view.jobId;
    if (isEnded(view) && seen === view.jobId) act();
  }, [view, act]);
}

/**
 * Everything about one picture: `jobId` where a job is looked at, `generationId` where what was made is. `cutId`: a job
 * that was asked here to cut it anew.
 */
export function useWork(jobId: string | null, generationId: string | null, cutId: string | null) {
  const own = useGeneration(generationId);
  const status = useJobStatus(jobId ?? own.data?.jobId);
  const unknown = status.error !== null || status.view?.phase === "loading";
  const job = { ...status, view: own.data && unknown ? null : status.view };
  const ofJob = job.view?.job && "generationId" in job.view.job ? job.view.job.generationId : null;
  const made = useGeneration(generationId ?? ofJob);
  const cut = useCut(generationId ?? ofJob, cutId);
  const refresh = useRefresh();

  useEnd(job.view, refresh);
  useEnd(cut.view, refresh);
  return { job, cut, made, work: workOf(job.view, made.data ?? null, cut.view) };
}
