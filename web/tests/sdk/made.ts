/** Jobs and events as the server tells them, and a subscriber that writes down what it is told. */

import { expect, onTestFinished, vi } from "vitest";
import {
  type Client,
  type ClientOptions,
  type ConnectionState,
  createClient,
  type EndedView,
  type FinalEvent,
  type ImageGenerationResult,
  type Job,
  type JobEvent,
  type JobView,
  type Platform,
  type RenderedPicture,
  type SnapshotEvent,
  type SubscribeOptions,
  type Timing,
} from "../../src/sdk";
import type { Connection, ScriptedServer } from "./scripted-server";

export const ID = "01980000-0000-7000-8000-000000000001";
export const PATH = `/api/jobs/${ID}`;
const AT = "2026-01-01T00:00:00.000Z";

export const jobOf = (fields: Partial<Job> = {}): Job =>
  ({
    ...{
      jobId: ID,
      kind: "image-generation",
      queue: "image-generation",
      status: "active",
      cancelRequested: false,
    },
    ...{
      priority: 0,
      run: 1,
      attempt: 1,
      attempts: 3,
      seq: 2,
      step: null,
      progress: 0,
      createdAt: AT,
      startedAt: AT,
    },
    ...{
      finishedAt: null,
      runAt: null,
      expiresAt: null,
      updatedAt: AT,
      generationId: "g1",
      result: null,
      error: null,
    },
    data: { prompt: "a lighthouse", platforms: ["reel-cover"] },
    ...{
      estimatedCost: 0,
      cost: { usd: 0, calls: 0, doubtfulCalls: 0, unpricedCalls: 0 },
      dependsOn: [],
      links: {},
    },
    ...fields,
  }) as Job;

export const snapshot = (fields: Partial<Job> = {}): SnapshotEvent =>
  ({ type: "connected", ...jobOf(fields) }) as SnapshotEvent;

type Durable = Extract<JobEvent, { seq: number; at: string }>;

const base = (seq: number, status: Job["status"]) => ({
  ...{ jobId: ID, seq, run: 1, attempt: 1, status, step: null, progress: seq * 10, at: AT },
});

export const change = (seq: number, fields: Partial<Durable> = {}): Durable =>
  ({ type: "update", ...base(seq, "active"), ...fields }) as Durable;

export const final = (seq: number, fields: Partial<FinalEvent> = {}): FinalEvent =>
  ({ type: "final", ...base(seq, "completed"), result: RESULT, ...fields }) as FinalEvent;

export const tick = (progress: number, fields: object = {}): JobEvent =>
  ({
    ...{ type: "update", tick: true, jobId: ID, run: 1, attempt: 1, status: "active", step: "generate" },
    progress,
    ...fields,
  }) as JobEvent;

export const picture = (platform: Platform): RenderedPicture => ({
  ...{ fileId: `f-${platform}`, contentType: "image/jpeg", size: 1, width: 1, height: 1, platform },
  ...{ status: "completed", fit: "cover", quality: 85, url: `/api/files/f-${platform}`, urlExpiresAt: AT },
});

export const RESULT: ImageGenerationResult = {
  ...{ simulated: true, model: "sketch", understood: null, reused: false, reusedFrom: null },
  master: picture("open-graph"),
  images: [picture("reel-cover")],
};

export const rendered = (seq: number, platform: Platform): Durable =>
  change(seq, { step: `render:${platform}`, state: "done", output: { image: picture(platform) } });

/** The job and its timeline as they can be read: told by one list of events, which a test may add to. */
export function record(
  server: ScriptedServer,
  events: { seq: number }[],
  fields: () => object = () => ({}),
): void {
  server.route(`GET ${PATH}`, () => ({ body: jobOf({ seq: events.at(-1)?.seq ?? 1, ...fields() }) }));
  server.route(`GET ${PATH}/timeline`, ({ query }) => {
    const after = Number(query.get("after"));
    return { body: { jobId: ID, events: events.filter(({ seq }) => seq > after), nextAfter: null } };
  });
}

/** No pause is random, or long. */
export const QUICK: Partial<Timing> = { restMs: 20, pollMs: 20, standingMs: 10_000, lingerMs: 0 };

/** A client of the scripted server, which is forgotten with the test. */
export function clientOf(server: ScriptedServer, options: ClientOptions = {}): Client {
  vi.spyOn(Math, "random").mockReturnValue(0);
  return createClient({ baseUrl: server.url, ...options, timing: { ...QUICK, ...options.timing } });
}

export class Subscriber {
  readonly views: JobView[] = [];
  readonly events: JobEvent[] = [];
  readonly states: ConnectionState[] = [];
  readonly errors: Error[] = [];
  readonly ends: EndedView[] = [];
  readonly stop: () => void;

  constructor(client: Client, options: Partial<SubscribeOptions> = {}, jobId = ID) {
    this.stop = client.subscribeToJobUpdates(jobId, {
      onUpdate: (view, event) => {
        this.views.push(view);
        this.events.push(event);
      },
      onComplete: (view) => this.ends.push(view),
      onError: (error) => this.errors.push(error),
      onConnection: (state) => this.states.push(state),
      ...options,
    });
    onTestFinished(this.stop);
  }

  /** The seqs of the durable events, in the order in which they were told. */
  get seqs(): number[] {
    return this.events.flatMap((event) => (event.type !== "connected" && "seq" in event ? [event.seq] : []));
  }

  get view(): JobView | undefined {
    return this.views.at(-1);
  }

  async until(met: (subscriber: this) => boolean): Promise<void> {
    await eventually(() => met(this));
  }
}

/** Waits for something that is bound to come. */
export const eventually = (met: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(met(), String(met)).toBe(true), { timeout: 5_000, interval: 5 });

/** A job that is watched, with its stream open and its state told. */
export async function watched(
  server: ScriptedServer,
  options: ClientOptions = {},
): Promise<[Subscriber, Connection]> {
  const subscriber = new Subscriber(clientOf(server, options));
  const stream = await server.stream();
  stream.open().event(snapshot({ seq: 1, status: "waiting" }), 1);
  await subscriber.until(({ views }) => views.length === 1);
  return [subscriber, stream];
}
