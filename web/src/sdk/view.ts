/**
 * What is known of one job, and how each piece of news changes it. Pure: views are never changed, only replaced, and a
 * piece of news that changes nothing gives the same view again.
 */

import type {
  ChangeEvent,
  Cost,
  DurableEvent,
  ErrorEvent,
  Eta,
  FailedPicture,
  Job,
  JobError,
  JobEvent,
  JobResult,
  Platform,
  Preview,
  RenderedPicture,
  SnapshotEvent,
  StoredPicture,
  TickEvent,
} from "./types";

/** One step of a job, as it was told last. */
export interface StepView {
  readonly name: string;
  readonly state: "started" | "done" | "failed";
  readonly at: string;
  readonly error?: JobError | undefined;
}

/** An attempt that failed, why, and when the next one begins. */
export type FailedAttempt = Pick<ErrorEvent, "code" | "message" | "retryable" | "nextAttemptAt">;

interface Known {
  readonly jobId: string;
  /** The job as it stands, kept up to date by its events; null until it has been read. */
  readonly job: Job | null;
  readonly run: number;
  readonly attempt: number;
  /** The number of the newest event that is in this view. */
  readonly seq: number;
  readonly step: string | null;
  /** 0 to 100. */
  readonly progress: number;
  /** In the order in which they first began. */
  readonly steps: readonly StepView[];
  /** Unfinished pictures, the finest last; none once the master is there. */
  readonly previews: readonly Preview[];
  /** What has landed by now, or could not be made. */
  readonly images: Readonly<Partial<Record<Platform, RenderedPicture | FailedPicture>>>;
  readonly master: StoredPicture | null;
  readonly thumbnail: StoredPicture | null;
  /** Why the last attempt of this run failed. */
  readonly lastError: FailedAttempt | null;
  readonly cost: Cost | null;
}

export type JobView = Known &
  (
    | { readonly phase: "loading" }
    | {
        readonly phase: "waiting" | "delayed" | "blocked";
        readonly queuePosition: number | null;
        readonly eta: Eta | null;
      }
    | { readonly phase: "active"; readonly cancelRequested: boolean }
    | { readonly phase: "completed"; readonly result: JobResult }
    | { readonly phase: "failed"; readonly error: JobError }
    | { readonly phase: "cancelled"; readonly result: JobResult | null }
  );

export type Phase = JobView["phase"];

/** A view of a job whose run is over. */
export type EndedView = Extract<JobView, { phase: "completed" | "failed" | "cancelled" }>;

/** Whether the run is over. A retry begins another. */
export const isEnded = (view: JobView): view is EndedView =>
  ["completed", "failed", "cancelled"].includes(view.phase);

/** The view of a job of which only its id is known. */
export const loadingView = (jobId: string): JobView =>
  phased({
    ...{ jobId, job: null, run: 0, attempt: 0, seq: 0, step: null, progress: 0, cost: null },
    ...{ steps: [], previews: [], images: {}, master: null, thumbnail: null, lastError: null },
  });

/** The view of a job that was read from the server, in a list or alone. Pictures under way are told by events only. */
export const viewOf = (job: Job): JobView => reduce(loadingView(job.jobId), snapshotOf(job));

/** A job as the first frame of its stream tells it. */
export const snapshotOf = (job: Job): SnapshotEvent => ({ ...job, type: "connected" }) as SnapshotEvent;

/** The view after one piece of news. What was seen already, and what is of an earlier run, changes nothing. */
export function reduce(view: JobView, event: JobEvent): JobView {
  if (event.type === "connected") return "status" in event ? adopt(view, event) : view;
  if ("tick" in event) return ticked(view, event);
  return event.seq > view.seq ? told(view, event) : view;
}

type Facts = Pick<TickEvent, "run" | "attempt" | "step" | "progress"> & { seq: number; cost?: Cost };

/** What a job and its events have in common. */
const factsOf = ({ run, attempt, seq, step, progress, cost }: Facts) => ({
  ...{ run, attempt, seq, step, progress },
  ...(cost && { cost }),
});

/** Takes over the server's whole view of the job, unless this one is newer. */
function adopt(view: JobView, { type: _, ...job }: SnapshotEvent): JobView {
  if (job.seq < view.seq || JSON.stringify(view.job) === JSON.stringify(job)) return view;
  return phased({ ...pictured(begun(view, job), job.result), job });
}

function ticked(view: JobView, { run, attempt, step, progress }: TickEvent): JobView {
  const { job } = view;
  const isNews = step !== view.step || progress !== view.progress;
  if (job?.status !== "active" || run !== view.run || attempt < view.attempt || !isNews) return view;
  return { ...view, job: { ...job, step, progress }, step, progress };
}

function told(view: JobView, event: DurableEvent): JobView {
  const { job } = view;
  const { status, at, type } = event;
  const { result = null, error = null } = type === "final" ? event : {};
  const startedAt = event.run === view.run && job?.startedAt;
  const known = begun(view, event);
  return phased({
    ...(type === "update" ? stepped(known, event) : pictured(known, result)),
    ...(type === "error" && { lastError: event }),
    job:
      job &&
      ({
        ...job,
        ...factsOf(event),
        ...(status !== job.status && { queuePosition: null, eta: null }),
        ...(type === "error" && { runAt: event.nextAttemptAt }),
        ...{ status, result, error, updatedAt: at, cancelRequested: !!event.cancelRequested },
        startedAt: startedAt || (status === "active" ? at : null),
        finishedAt: type === "final" ? at : null,
      } as Job),
  });
}

const keyed = <T>(list: readonly T[], key: keyof T): Record<string, T> =>
  Object.fromEntries(list.map((one) => [one[key], one]));

/** Takes in the facts. Of an earlier run stay the steps that are done, which are not done again, and their pictures. */
const begun = (known: Known, facts: Facts): Known => ({
  ...known,
  ...(facts.run > known.run && {
    ...{ previews: [], lastError: null },
    steps: known.steps.filter((step) => step.state === "done"),
    images: keyed(
      Object.values(known.images).filter((image) => image.status !== "failed"),
      "platform",
    ),
  }),
  ...factsOf(facts),
});

/** What is known after news of a step. */
function stepped(known: Known, { step, state, error, preview, at, output }: ChangeEvent): Known {
  if (preview) return { ...known, previews: [...known.previews, preview] };
  if (!step || !state) return known;
  const [, platform] = step.split("render:");
  const failed = platform && error && ({ platform, status: "failed", error } as Picture);
  return {
    ...pictured(known, output, failed ? [failed] : []),
    steps: Object.values({
      ...keyed(known.steps, "name"),
      [step]: { name: step, state, at, error },
    }),
  };
}

type Picture = RenderedPicture | FailedPicture;

/** What a result, or the steps of a job, may bring. */
interface Output {
  image?: Picture;
  images?: Picture[];
  master?: StoredPicture;
  thumbnail?: StoredPicture;
}

/** With what there is to see of it; `failed`: in place of a picture. */
function pictured(known: Known, output: unknown, failed: Picture[] = []): Known {
  const { image, images = image ? [image] : failed, master, thumbnail } = (output ?? {}) as Output;
  return {
    ...known,
    images: { ...known.images, ...keyed(images, "platform") },
    ...(master && { master, previews: [] }),
    ...(thumbnail && { thumbnail }),
  };
}

/** The phase is the job's status, with what there is to know in it. */
const phased = (known: Known): JobView => {
  const {
    status: phase = "loading",
    cancelRequested,
    result,
    error,
    queuePosition = null,
    eta = null,
  } = known.job ?? {};
  return { ...known, phase, cancelRequested, result, error, queuePosition, eta } as JobView;
};
