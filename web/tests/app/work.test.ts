import { describe, expect, it } from "vitest";
import type { Generation, Job, JobView } from "../../src/app/served/server";
import { statusLine } from "../../src/app/work/statusLine";
import { workOf } from "../../src/app/work/work";
import { reduce, viewOf } from "../../src/sdk";
import { change, jobOf } from "../sdk/made";

const NOON = "2026-01-01T12:00:00.000Z";
const LATER = "2026-01-01T13:00:00.000Z";
const data = { prompt: "a lighthouse", platforms: ["instagram-post", "reel-cover"], fit: "cover", seed: 0 };

const job = (fields: object = {}) => viewOf(jobOf({ data, createdAt: NOON, ...fields } as Partial<Job>));
const picture = (platform: string, fileId: string) => ({
  platform,
  fileId,
  url: `/${fileId}`,
  status: "completed",
});
const landed = (view: JobView, platform: string, fileId: string) =>
  reduce(
    view,
    change(view.seq + 1, {
      step: `render:${platform}`,
      state: "done",
      output: { image: picture(platform, fileId) },
    }),
  );

const kept = (fileId: string, createdAt: string) =>
  ({
    generationId: "g1",
    jobId: "j1",
    createdAt: NOON,
    status: "completed",
    request: data,
    made: null,
    master: null,
    thumbnail: null,
    images: [{ ...picture("reel-cover", fileId), createdAt }],
  }) as unknown as Generation;
const cut = (fields: object = {}) =>
  viewOf(
    jobOf({
      kind: "image-renditions",
      createdAt: LATER,
      data: { platforms: ["reel-cover", "open-graph"], fit: "centre" },
      ...fields,
    } as unknown as Partial<Job>),
  );

const states = (...given: Parameters<typeof workOf>) =>
  workOf(...given)?.tiles.map(({ platform, state, image }) => [platform, state, image?.fileId]);

describe("a work", () => {
  it("has a tile for each place before there is any picture, and fills each as it lands", () => {
    const view = job();
    expect(states(view, null, null)).toEqual([
      ["instagram-post", "waiting", undefined],
      ["reel-cover", "waiting", undefined],
    ]);
    const begun = reduce(view, change(3, { step: "render:reel-cover", state: "started" }));
    expect(states(begun, null, null)?.[1]).toEqual(["reel-cover", "working", undefined]);
    expect(states(landed(begun, "reel-cover", "a"), null, null)?.[1]).toEqual(["reel-cover", "ready", "a"]);
  });

  it("keeps what landed when the job was cancelled, and waits for nothing more", () => {
    const view = { ...landed(job(), "reel-cover", "a"), phase: "cancelled", result: null } as JobView;
    expect(states(view, null, null)).toEqual([
      ["instagram-post", "blank", undefined],
      ["reel-cover", "ready", "a"],
    ]);
  });

  it("shows the picture that there is until its new cut has landed, and a tile for each new place", () => {
    const made = kept("a", NOON);
    const tiles = workOf(null, made, cut())?.tiles;
    expect(tiles?.find(({ platform }) => platform === "reel-cover")).toMatchObject({
      recutting: true,
      image: { fileId: "a" },
    });
    expect(states(null, made, cut())?.at(-1)).toEqual(["open-graph", "waiting", undefined]);
    expect(states(null, made, landed(cut(), "reel-cover", "b"))?.[1]).toEqual(["reel-cover", "ready", "b"]);
  });

  it("goes by the record once that has the cut, or a later one", () => {
    expect(states(null, kept("c", LATER), landed(cut(), "reel-cover", "b"))?.[1]).toEqual([
      "reel-cover",
      "ready",
      "c",
    ]);
  });

  it("is not there before job or record are", () => {
    expect(workOf(null, null, null)).toBeNull();
  });
});

describe("the line of a job", () => {
  const line = (view: JobView, now = NOON) =>
    statusLine(view, { place: (name) => name, ready: 1, all: 2, now: Date.parse(now) });

  it("says where it waits and for how long", () => {
    const eta = { startsIn: 10, finishesIn: 31, sampleSize: 4 };
    expect(line(job({ status: "waiting", queuePosition: 3, eta }))).toBe(
      "Number 3 in line, done in about 30 s",
    );
  });

  it("says what is being done, and at which attempt", () => {
    expect(line(job({ status: "active", step: "render:reel-cover", attempt: 2 }))).toBe(
      "Cutting reel-cover, attempt 2 of 3",
    );
    expect(line(job({ status: "active", cancelRequested: true }))).toBe("Cancelling…");
  });

  it("counts down to the next attempt", () => {
    const error = {
      code: "provider_failed",
      message: "No.",
      retryable: true,
      nextAttemptAt: "2026-01-01T12:00:04.000Z",
    };
    const view = reduce(job(), { ...change(3), type: "error", status: "delayed", ...error } as never);
    expect(line(view)).toBe("Attempt 1 of 3 failed, again in 4 s");
    expect(line(view, LATER)).toBe("Attempt 1 of 3 failed, again soon");
  });

  it("tells a part from the whole", () => {
    const over = { status: "completed", startedAt: NOON, finishedAt: LATER, result: { images: [] } };
    expect(line(job(over))).toBe("1 of 2 ready");
  });
});
