/** What `JobMonitor` says. Any of it can be given anew, in another language or another tone. */

import type { JobError, JobView, Phase } from "../sdk";

export interface JobMonitorMessages {
  /** What it is, to those who do not see it. */
  label: string;
  phases: Record<Phase, string>;
  cancelling: string;
  /** What a step does, by its name; null before the first one. */
  step(name: string | null): string;
  stepStates: Record<"started" | "done" | "failed", string>;
  steps: string;
  /** What is large: the unfinished picture, then the one that all others are cut from. */
  original: string;
  /** Alternative text of an unfinished picture. */
  preview: string;
  /** Alternative text of the finished one, and of what was cut from it. */
  master: string;
  picture(platform: string): string;
  pictures: string;
  pictureFailed(platform: string, error: JobError): string;
  progress: string;
  /** Where it waits, and for how long; empty when nobody knows. */
  standing(position: number | null, finishesInSeconds: number | null, sampleSize: number): string;
  /** An attempt failed and another follows. */
  tryingAgain(attempt: number, attempts: number, error: JobError): string;
  /** What can be done about an error, or nothing. */
  advice(error: JobError): string;
  connection: Record<"reconnecting" | "polling" | "offline", string>;
  /** The server does not tell of this job. */
  refused: string;
  cancel: string;
  retry: string;
  /** A cancel or a retry did not get through. */
  actionFailed(error: Error): string;
}

const STEPS: Readonly<Record<string, string>> = {
  generate: "Making the picture",
  decode: "Reading the picture",
  thumbnail: "Making a small copy",
};

const ADVICE: Readonly<Record<string, string>> = {
  bad_picture: "Try again: another picture is made.",
  content_policy: "Change the words of the prompt and send it again.",
  dependency_failed: "Try the job it waited for again.",
  not_enough_credits: "Credits are needed to go on.",
  outcome_unknown: "It may have been charged. Look at the provider's account before you try again.",
  provider_quota_exceeded: "Whoever runs this server has to raise the provider's quota.",
  provider_refused: "Whoever runs this server has to look at the provider's key and settings.",
  spend_cap_reached: "The limit of the day is reached. Try again tomorrow.",
  storage_quota_exceeded: "Whoever runs this server has to make room in the storage.",
};

export const messages: JobMonitorMessages = {
  label: "Job",
  phases: {
    loading: "Looking it up",
    waiting: "Waiting for its turn",
    delayed: "Waiting for its time",
    blocked: "Waiting for another job",
    active: "In the making",
    completed: "Ready",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  cancelling: "Cancelling",
  step: (name) =>
    name?.startsWith("render:")
      ? `Cutting ${name.slice("render:".length)}`
      : name
        ? (STEPS[name] ?? name)
        : "Getting started",
  stepStates: { started: "under way", done: "done", failed: "failed" },
  steps: "Steps",
  original: "Picture",
  preview: "The picture so far",
  master: "The picture",
  picture: (platform) => `Picture for ${platform}`,
  pictures: "Pictures for platforms",
  pictureFailed: (platform, error) => `${platform}: ${error.message}`,
  progress: "Progress",
  standing: (position, finishesIn, sampleSize) => {
    const place =
      position === null
        ? ""
        : position === 1
          ? "Next in line"
          : `Number ${position.toLocaleString("en")} in line`;
    const time =
      finishesIn === null ? "" : `done in about ${roughly(finishesIn)} (judged by ${sampleSize} earlier)`;
    return [place, time].filter(Boolean).join(", ");
  },
  tryingAgain: (attempt, attempts, error) =>
    `Attempt ${attempt} of ${attempts} failed and is made again. ${error.message}`,
  advice: ({ code, retryable }) => ADVICE[code] ?? (retryable ? "Try again in a moment." : ""),
  connection: { reconnecting: "Reconnecting", polling: "Checked every few seconds", offline: "Offline" },
  refused: "This job cannot be shown: it is gone, or belongs to somebody else.",
  cancel: "Cancel",
  retry: "Try again",
  actionFailed: (error) => error.message,
};

function roughly(seconds: number): string {
  if (seconds < 60) return `${Math.max(5, Math.round(seconds / 5) * 5)} s`;
  return seconds < 3_600 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

/** The state of a job in one line. It changes with phases and steps only, so that it can be read aloud. */
export function lineOf(view: JobView, words: JobMonitorMessages): string {
  if (view.phase === "active") return view.cancelRequested ? words.cancelling : words.step(view.step);
  if ((view.phase === "delayed" || view.phase === "waiting") && view.lastError)
    return words.tryingAgain(view.attempt, view.job?.attempts ?? view.attempt, view.lastError);
  return words.phases[view.phase];
}

/** Where a waiting job stands; empty for others. */
export function standingOf(view: JobView, words: JobMonitorMessages): string {
  if (view.phase !== "waiting" && view.phase !== "blocked") return "";
  return words.standing(view.queuePosition, view.eta?.finishesIn ?? null, view.eta?.sampleSize ?? 0);
}
