// A job's state as one line, and what is to be said below it.

import { serverNow } from "./api.js";
import { ended, readyPlaces } from "./job_state.js";
import { STATUS_WORDS, blockedWords, count, leftWords, standingWords, stepWords, tookWords, waitWords } from "./words.js";

const ofAttempts = (job) => (job.attempts ? `${job.attempt} of ${job.attempts}` : `${job.attempt}`);

function delayedWords(job) {
  const when = job.dueAt ? waitWords(job.dueAt, serverNow()) : "soon";
  return job.lastError ? `Attempt ${ofAttempts(job)} failed. Trying again ${when}` : `Starts ${when}`;
}

function completedWords(job) {
  const ready = readyPlaces(job).length;
  const made = ready === job.platforms.length ? "Ready" : `${ready} of ${job.platforms.length} ready`;
  return job.startedAt && job.finishedAt ? `${made}, made in ${tookWords(job.startedAt, job.finishedAt)}` : made;
}

function endedWords(job) {
  if (job.status === "completed") return completedWords(job);
  const ready = readyPlaces(job).length;
  const kept = ready > 0 ? `, ${count(ready, "picture")} kept` : "";
  const tried = job.status === "failed" && job.attempt > 1 ? ` after ${count(job.attempt, "attempt")}` : "";
  return `${STATUS_WORDS[job.status]}${tried}${kept}`;
}

function activeWords(job, places) {
  const doing = stepWords(job.step, (name) => places.fullLabel(name));
  const tried = job.attempt > 1 ? `, attempt ${ofAttempts(job)}` : "";
  return [`${doing}${tried}`, leftWords(job.standing)].filter(Boolean).join(", ");
}

/** A job's state as one line; while more is cut from what it made, that job's. `promptOf(jobId)` names other jobs. */
export function statusLine(job, places, promptOf = () => null) {
  if (job.cutting) return statusLine(job.cutting, places, promptOf);
  if (ended(job)) return endedWords(job);
  if (job.cancelRequested) return "Cancelling…";
  if (job.status === "delayed") return delayedWords(job);
  if (job.status === "blocked") return blockedWords(job.dependsOn.map(promptOf));
  if (job.status === "active") return activeWords(job, places);
  return (job.standing && standingWords(job.standing)) || STATUS_WORDS[job.status] || job.status;
}

/** What is to be said below the line: the reason of a failure, or of the wait before the next attempt. */
export function trouble(job) {
  if (job.cutting) return trouble(job.cutting);
  if (job.cutError) return job.cutError;
  if (job.status === "failed") return job.error;
  return job.status === "delayed" || (job.status === "waiting" && !job.cancelRequested) ? job.lastError : null;
}
