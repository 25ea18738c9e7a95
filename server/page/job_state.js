// What is known of one job, and how each piece of news changes it. No DOM, no network.
//
// What a job has made stays, and more may be cut from it by further jobs: those pictures are kept beside the job's own
// and count before them. A job that is no longer kept is known by what it made alone.
//
// Durable events are numbered: one already seen is dropped, so replays and reconnects do no harm. News of an earlier
// run still brings its pictures (finished steps are kept over a retry) but never changes the state of the present one.

const ENDED = new Set(["completed", "failed", "cancelled"]);
const RENDER = "render:";

export const ended = (job) => ENDED.has(job.status);

/** The platform that a step renders for, or null. */
export const renderedBy = (step) => (step?.startsWith(RENDER) ? step.slice(RENDER.length) : null);

function blank(id, data, createdAt) {
  return {
    id,
    createdAt,
    generationId: data.generationId ?? null,
    prompt: String(data.prompt ?? ""),
    imageType: data.imageType ?? null,
    platforms: [...(data.platforms ?? [])],
    fit: data.fit ?? null,
    point: data.focalPoint ?? null,
    status: "waiting",
    cancelRequested: false,
    run: 1,
    attempt: 0,
    attempts: null,
    seq: 0,
    step: null,
    progress: 0,
    startedAt: null,
    finishedAt: null,
    dueAt: null,
    dependsOn: [],
    standing: null,
    error: null,
    lastError: null,
    master: null,
    thumbnail: null,
    focal: null,
    model: null,
    simulated: null,
    understood: null,
    shots: new Map(),
    rendering: new Set(),
    cuts: new Map(),
    cutting: null,
    cutError: null,
    kept: true,
  };
}

/** A job that was just accepted; `accepted` is the server's answer to the POST. */
export function newJob(accepted, data) {
  const job = { ...blank(accepted.jobId, data, new Date().toISOString()), status: accepted.status };
  return { ...job, generationId: accepted.generationId ?? job.generationId };
}

/**
 * A job from a list. Without a result its pictures are told by its events only, so it starts at seq 0: the events
 * are still to be read, and bring the pictures it already has.
 */
export function knownJob(body) {
  const job = blank(body.jobId, body.data ?? {}, body.createdAt);
  adopt(job, body);
  if (!body.result) job.seq = 0;
  return job;
}

/** What a job made, when the job itself is no longer kept: there is nothing to retry, and nothing more to hear. */
export function keptJob(generation) {
  const job = blank(generation.jobId, generation.request, generation.createdAt);
  Object.assign(job, { status: generation.status, progress: 100, seq: 1, kept: false });
  adoptGeneration(job, generation);
  return job;
}

/** Whether events of the past have still to be read before all its pictures are known. */
export const isPartlyKnown = (job) => job.seq === 0;

/** Takes over the server's whole view of the job, unless this side knows better already. */
export function adopt(job, body) {
  if (body.run < job.run || body.seq < job.seq) return;
  if (body.run > job.run) beginRun(job, body.run);
  job.seq = body.seq;
  job.status = body.status;
  job.cancelRequested = Boolean(body.cancelRequested);
  job.attempt = body.attempt;
  job.attempts = body.attempts ?? job.attempts;
  job.step = body.step;
  job.progress = body.progress;
  job.startedAt = body.startedAt;
  job.finishedAt = body.finishedAt;
  job.dueAt = body.status === "delayed" ? body.runAt : null;
  job.dependsOn = body.dependsOn ?? job.dependsOn;
  job.generationId = body.generationId ?? job.generationId;
  if (body.queuePosition !== undefined) adoptStanding(job, body);
  job.error = body.error ?? null;
  if (body.result) adoptResult(job, body.result);
}

/** Takes over where the job stands, as long as that is about its present state. */
export function adoptStanding(job, body) {
  const known = body.queuePosition || body.eta;
  job.standing = known && body.status === job.status ? { position: body.queuePosition, eta: body.eta } : null;
}

/** Like `adopt`, for the answer to a cancel or retry: its events are still to come, so they do not count as seen. */
export function foresee(job, body) {
  const { seq } = job;
  adopt(job, body);
  job.seq = seq;
}

function adoptResult(job, result) {
  adoptMaster(job, result);
  for (const image of result.images ?? []) {
    job.shots.set(image.platform, image.status === "failed" ? { error: image.error } : { image });
  }
}

function adoptMaster(job, made) {
  job.master = made.master ?? job.master;
  job.focal = made.focalPoint ?? job.focal;
  job.model = made.model ?? job.model;
  job.simulated = made.simulated ?? job.simulated;
  job.understood = made.understood ?? job.understood;
}

function beginRun(job, run) {
  Object.assign(job, { run, attempt: 0, error: null, lastError: null, dueAt: null, cancelRequested: false });
  Object.assign(job, { startedAt: null, finishedAt: null, step: null, progress: 0, standing: null });
  for (const [platform, shot] of job.shots) if (shot.error) job.shots.delete(platform);
}

function learnStep(job, event) {
  const platform = renderedBy(event.step);
  if (platform && event.state === "started") job.rendering.add(platform);
  else if (platform && event.state) job.rendering.delete(platform);
  if (event.state === "failed" && platform && event.error) job.shots.set(platform, { error: event.error });
  if (event.state !== "done" || !event.output) return;
  if (event.output.image) job.shots.set(event.output.image.platform ?? platform, { image: event.output.image });
  if (event.output.master) adoptMaster(job, event.output);
  if (event.output.thumbnail) job.thumbnail = event.output.thumbnail;
}

/** Applies one event of the stream or the timeline. True when something changed. */
export function apply(job, event) {
  if (event.type === "connected") {
    if (event.status === undefined) return false;
    adopt(job, event);
    return true;
  }
  if (event.tick) return applyTick(job, event);
  if (event.seq <= job.seq) return false;
  job.seq = event.seq;
  if (event.run > job.run) beginRun(job, event.run);
  learnStep(job, event);
  if (event.run === job.run) applyState(job, event);
  return true;
}

function applyTick(job, event) {
  if (event.run !== job.run || job.status !== "active") return false;
  job.step = event.step ?? job.step;
  job.progress = event.progress;
  return true;
}

function applyState(job, event) {
  const begins = event.status === "active" && job.status !== "active";
  if (event.status !== job.status) job.standing = null;
  job.status = event.status;
  job.attempt = event.attempt;
  job.step = event.step;
  job.progress = event.progress;
  job.cancelRequested = Boolean(event.cancelRequested);
  if (job.status !== "delayed") job.dueAt = null;
  if (job.status !== "active") job.rendering.clear();
  if (begins) job.startedAt ??= event.at;
  if (event.type === "error") {
    job.lastError = { code: event.code, message: event.message };
    job.dueAt = event.nextAttemptAt ?? null;
  }
  if (event.type === "final") {
    job.finishedAt = event.at;
    job.error = event.error ?? null;
    if (event.result) adoptResult(job, event.result);
  }
}

/** Whether this event ends the job's present run. */
export const endsRun = (job, event) => event.type === "final" && event.run >= job.run;

/** A place's picture, or why there is none: what was cut last counts. */
export const shotOf = (job, platform) => job.cuts.get(platform) ?? job.shots.get(platform);

/** All that there are pictures of, in the order of the places. */
export const readyPlaces = (job) => job.platforms.filter((platform) => shotOf(job, platform)?.image);

function addPlaces(job, platforms) {
  for (const platform of platforms) if (!job.platforms.includes(platform)) job.platforms.push(platform);
}

/** Takes over what there is of a job's pictures by now, with addresses that are good again. */
export function adoptGeneration(job, generation) {
  job.generationId = generation.generationId;
  job.thumbnail = generation.thumbnail ?? job.thumbnail;
  adoptMaster(job, { ...generation.made, master: generation.master });
  addPlaces(
    job,
    generation.images.map(({ platform }) => platform),
  );
  for (const image of generation.images) job.cuts.set(image.platform, { image });
}

/** A further job has begun that cuts from what this one made. */
export function beginCut(job, cut) {
  Object.assign(job, { cutting: cut, cutError: null });
  addPlaces(job, cut.platforms);
}

/** Takes over what a cut has brought; once it has ended, what it was to bring and did not is no longer waited for. */
export function adoptCut(job, cut) {
  for (const [platform, shot] of cut.shots) {
    if (shot.image || !shotOf(job, platform)?.image) job.cuts.set(platform, shot);
  }
  if (!ended(cut)) return;
  if (job.cutting === cut) job.cutting = null;
  const failure = [...cut.shots.values()].find(({ error }) => error);
  job.cutError = cut.error ?? failure?.error ?? null;
  Object.assign(job, { point: cut.point, fit: cut.fit ?? job.fit });
  job.platforms = job.platforms.filter((platform) => shotOf(job, platform) || !cut.platforms.includes(platform));
}
