// Where jobs stand in their queue: no event tells it, so it is asked, now and then, as long as it can change.

import { look } from "./api.js";
import { adoptStanding, ended } from "./job_state.js";

const PAUSE_MS = 4_000;

const due = new WeakMap(); // job → when it may be asked about again

/** May be called as often as one likes; `learnt` is called when something was heard. */
export async function askStanding(job, learnt) {
  if (ended(job) || job.status === "delayed" || Date.now() < (due.get(job) ?? 0)) return;
  due.set(job, Date.now() + PAUSE_MS);
  const body = await look(job.id).catch(() => null);
  if (!body) return;
  job.dependsOn = body.dependsOn ?? job.dependsOn;
  adoptStanding(job, body);
  learnt();
}
