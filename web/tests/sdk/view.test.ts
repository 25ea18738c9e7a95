/** What is known of a job, after each piece of news. */

import { expect, test } from "vitest";
import { isEnded, type Job, type JobEvent, loadingView, reduce, viewOf } from "../../src/sdk";
import { change, final, ID, jobOf, picture, RESULT, rendered, snapshot, tick } from "./made";

const after = (...events: JobEvent[]) => events.reduce(reduce, loadingView(ID));
const active = snapshot({ seq: 2 });
const ERROR = { code: "provider_failed" as const, message: "No.", retryable: true };
const preview = (index: number) => ({ ...picture("open-graph"), index });

test("a view is loading until the job is known", () => {
  expect(loadingView(ID)).toMatchObject({ phase: "loading", job: null, jobId: ID, seq: 0 });
  expect(after(change(1), change(2))).toMatchObject({ phase: "loading", seq: 2 });
});

test.each(["waiting", "delayed", "blocked"] as const)(
  "a job that is %s has its place in the queue",
  (status) => {
    const eta = { startsIn: 1, finishesIn: 2, sampleSize: 3 };
    expect(viewOf(jobOf({ status, queuePosition: 4, eta }))).toMatchObject({
      phase: status,
      queuePosition: 4,
      eta,
    });
    expect(viewOf(jobOf({ status }))).toMatchObject({ queuePosition: null, eta: null });
  },
);

test("a place in the queue is forgotten when the job begins", () => {
  const view = after(snapshot({ seq: 1, status: "waiting", queuePosition: 4 }), change(2));
  expect(view).toMatchObject({ phase: "active", cancelRequested: false, seq: 2 });
  expect(view.job).toMatchObject({ status: "active", queuePosition: null, seq: 2 });
});

test("a run has begun with its first attempt, and a run that waits has not", () => {
  const startedAt = "2025-12-31T00:00:00.000Z";
  const waiting = snapshot({ seq: 1, status: "waiting", startedAt: null });
  expect(after(waiting, change(2)).job?.startedAt).toBe(change(2).at);
  expect(after(snapshot({ startedAt }), change(3)).job).toMatchObject({ startedAt, finishedAt: null });
  expect(after(snapshot({ startedAt }), final(3)).job).toMatchObject({ startedAt, finishedAt: final(3).at });
  const again = change(4, { run: 2, status: "waiting" });
  expect(after(snapshot({ startedAt }), final(3), again).job).toMatchObject({
    ...{ startedAt: null, finishedAt: null, result: null },
  });
});

test("a job that is to be cancelled is active, and says so", () => {
  expect(after(active, change(3, { cancelRequested: true }))).toMatchObject({
    phase: "active",
    cancelRequested: true,
  });
});

test("the end has its result or its error", () => {
  expect(after(active, final(3))).toMatchObject({
    phase: "completed",
    result: RESULT,
    master: RESULT.master,
  });
  const failed = { status: "failed" as const, error: ERROR, result: undefined } as never;
  expect(after(active, final(3, failed))).toMatchObject({
    phase: "failed",
    error: ERROR,
    job: { error: ERROR },
  });
  expect(after(active, final(3, { status: "cancelled" }))).toMatchObject({
    phase: "cancelled",
    result: RESULT,
  });
  expect(isEnded(after(active, final(3)))).toBe(true);
  expect(isEnded(after(active))).toBe(false);
});

test("what was seen already changes nothing, and gives the same view", () => {
  const view = after(active, change(3));
  expect(reduce(view, change(3))).toBe(view);
  expect(reduce(view, change(2))).toBe(view);
  expect(reduce(view, active)).toBe(view);
  expect(reduce(view, { type: "connected", jobId: ID, resumedAfter: 3 })).toBe(view);
  const same = viewOf(jobOf());
  expect(reduce(same, snapshot())).toBe(same);
});

test("ticks move the progress of what runs, and of nothing else", () => {
  const view = after(active, tick(12));
  expect(view).toMatchObject({ progress: 12, step: "generate", job: { progress: 12 } });
  expect(reduce(view, tick(12))).toBe(view);
  expect(reduce(view, tick(50, { run: 2 }))).toBe(view);
  expect(reduce(view, tick(50, { attempt: 0 }))).toBe(view);
  const ended = after(active, final(3));
  expect(reduce(ended, tick(50))).toBe(ended);
});

test("steps stand in the order in which they began, each as it was told last", () => {
  const view = after(
    active,
    change(3, { step: "generate", state: "started" }),
    change(4, { step: "decode", state: "started" }),
    change(5, { step: "generate", state: "done" }),
    change(6, { step: "decode", state: "failed", error: ERROR }),
  );
  expect(view.steps.map(({ name, state, error }) => [name, state, error?.code])).toEqual([
    ["generate", "done", undefined],
    ["decode", "failed", "provider_failed"],
  ]);
});

test("pictures are there as they land, and those that failed say why", () => {
  const view = after(
    active,
    rendered(3, "reel-cover"),
    change(4, { step: "render:tiktok-cover", state: "failed", error: ERROR }),
  );
  expect(view.images).toEqual({
    "reel-cover": picture("reel-cover"),
    "tiktok-cover": { platform: "tiktok-cover", status: "failed", error: ERROR },
  });
});

test("previews are there until the master is", () => {
  const shown = after(active, change(3, { preview: preview(0) }), change(4, { preview: preview(1) }));
  expect(shown.previews.map(({ index }) => index)).toEqual([0, 1]);
  const done = reduce(
    shown,
    change(5, { step: "generate", state: "done", output: { master: RESULT.master } }),
  );
  expect(done).toMatchObject({ previews: [], master: RESULT.master });
});

test("an attempt that failed says what comes next", () => {
  const nextAttemptAt = "2026-01-01T00:01:00.000Z";
  const error = { ...change(3, { status: "delayed" }), type: "error" as const, ...ERROR, nextAttemptAt };
  const view = after(active, error as JobEvent);
  expect(view).toMatchObject({
    phase: "delayed",
    lastError: { ...ERROR, nextAttemptAt },
    job: { runAt: nextAttemptAt },
  });
});

test.each([
  ["an event", change(6, { run: 2, attempt: 0, status: "waiting", progress: 0 })],
  ["its state", snapshot({ seq: 6, run: 2, attempt: 0, status: "waiting", error: null })],
])("a new run, told by %s, keeps what is done, and forgets what failed", (_, beginning) => {
  const view = after(
    active,
    rendered(3, "reel-cover"),
    change(4, { step: "render:tiktok-cover", state: "failed", error: ERROR }),
    final(5, { status: "failed", error: ERROR, result: undefined } as never),
    beginning,
  );
  expect(view).toMatchObject({
    phase: "waiting",
    run: 2,
    attempt: 0,
    lastError: null,
    job: { error: null, run: 2 },
  });
  expect(Object.keys(view.images)).toEqual(["reel-cover"]);
  expect(view.steps.map(({ name }) => name)).toEqual(["render:reel-cover"]);
});

test("the cost is that of the newest event that tells one", () => {
  const cost = { usd: 1, calls: 1, doubtfulCalls: 0, unpricedCalls: 0 };
  expect(after(active, change(3, { cost }), change(4))).toMatchObject({ cost, job: { cost } });
});

test("an older state does not replace a newer one", () => {
  const view = after(active, change(3));
  expect(reduce(view, snapshot({ seq: 2, progress: 99 } as Partial<Job>))).toBe(view);
  expect(reduce(view, snapshot({ seq: 4, progress: 99 } as Partial<Job>))).toMatchObject({
    progress: 99,
    seq: 4,
  });
});
