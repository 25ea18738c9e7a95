/** A job's state as one line, as people say it. Pure: what passes with time is given. */

import { times } from "../formats";
import { status, work as words } from "../messages";
import type { JobView } from "../served/server";
import { renderedBy } from "./work";

const STEPS: Record<string, string> = {
  generate: words.generate,
  decode: words.decode,
  thumbnail: words.thumbnail,
};

/** What a step does, in words; `place` turns a platform's name into its label. */
export function stepWords(step: string | null, place: (name: string) => string): string {
  const platform = renderedBy(step);
  if (platform) return words.cutting(place(platform));
  return step ? (STEPS[step] ?? step.replace(/[-_]/g, " ")) : words.starting;
}

function whenWords(then: string | null, now: number): string {
  const seconds = then ? Math.max(0, Math.ceil((Date.parse(then) - now) / 1000)) : 0;
  if (seconds === 0) return words.soon;
  return seconds < 100 ? words.inSeconds(seconds) : `at ${times.clock(then ?? "")}`;
}

function waitingWords(view: JobView & { phase: "waiting" | "delayed" | "blocked" }, now: number): string {
  const attempts = view.job?.attempts ?? view.attempt;
  if (view.phase === "delayed") {
    const failed = view.lastError;
    if (!failed) return words.starts(whenWords(view.job?.runAt ?? null, now));
    return words.again(view.attempt, attempts, whenWords(failed.nextAttemptAt, now));
  }
  if (view.phase === "blocked" || !view.queuePosition) return status[view.phase];
  const place = view.queuePosition === 1 ? words.next : words.place(view.queuePosition);
  return view.eta ? `${place}, ${words.doneIn(times.roughly(view.eta.finishesIn))}` : place;
}

/** The line. `ready` of `all` pictures are there, 0 where the job makes none; `now` in ms since the epoch. */
export function statusLine(
  view: JobView,
  { place, ready, all, now }: { place: (name: string) => string; ready: number; all: number; now: number },
): string {
  const { job } = view;
  switch (view.phase) {
    case "loading":
      return status.loading;
    case "waiting":
    case "delayed":
    case "blocked":
      return waitingWords(view, now);
    case "active": {
      if (view.cancelRequested) return words.cancelling;
      const doing = stepWords(view.step, place);
      return view.attempt > 1
        ? `${doing}, ${words.attempt(view.attempt, job?.attempts ?? view.attempt)}`
        : doing;
    }
    case "completed":
      if (ready < all) return words.partly(ready, all);
      return job?.startedAt && job.finishedAt
        ? (all > 0 ? words.readyIn : words.doneAfter)(times.took(job.startedAt, job.finishedAt))
        : status.completed;
    default:
      return ready > 0 ? `${status[view.phase]}, ${words.kept(ready)}` : status[view.phase];
  }
}
