/** Waiting for a job, its events one after the other, and the news of all jobs. */

import { describe, expect, test } from "vitest";
import type { Client, JobEvent, OwnerEvent } from "../../src/sdk";
import { change, clientOf, eventually, final, ID, PATH, record, Subscriber, snapshot, tick } from "./made";
import { type Connection, type ScriptedServer, scriptedServer } from "./scripted-server";

const OTHER = "01980000-0000-7000-8000-000000000002";
const FRESH = { type: "connected" };

/** Tells events with their places. */
const tell = (stream: Connection, ...events: object[]) => {
  for (const event of events) stream.event(event, `era-0-${"seq" in event ? event.seq : 0}`);
};

const tabOf = (server: ScriptedServer, options: Parameters<typeof clientOf>[1] = {}): Client =>
  clientOf(server, { sharing: "tab", ...options });

describe("waiting for a job", () => {
  test.each(["completed", "failed", "cancelled"] as const)("ends when it is %s", async (status) => {
    const server = await scriptedServer();
    const waited = clientOf(server).waitForJob(ID);
    (await server.stream())
      .open()
      .event(snapshot({ seq: 1 }), 1)
      .events(final(2, { status }));
    expect((await waited).phase).toBe(status);
  });

  test("is refused when the job is", async () => {
    const server = await scriptedServer();
    const waited = clientOf(server).waitForJob(ID);
    (await server.stream()).refuse(401, { code: "missing_user" });
    await expect(waited).rejects.toMatchObject({ status: 401 });
  });

  test.each(["before", "connecting", "live", "reconnecting", "polling"])(
    "can be given up while it is %s",
    async (state) => {
      const server = await scriptedServer();
      record(server, [change(1)]);
      server.script = (stream) => {
        if (state === "live") stream.open().event(snapshot({ seq: 1 }), 1);
        if (state === "reconnecting") stream.open(10_000).end();
        if (state === "polling") stream.head();
      };
      const client = clientOf(server, {
        timing: { firstByteMs: state === "polling" ? 20 : 5_000, restMs: 10_000 },
      });
      const giveUp = new AbortController();
      const reason = new Error("enough");
      if (state === "before") giveUp.abort(reason);
      const watcher = state === "before" ? undefined : new Subscriber(client, { signal: giveUp.signal });
      const waited = client.waitForJob(ID, { signal: giveUp.signal });
      await watcher?.until(({ states }) => states.at(-1) === state);
      giveUp.abort(reason);
      await expect(waited).rejects.toBe(reason);
      await eventually(() => server.openStreams === 0);
      expect(watcher?.states.at(-1)).toBe(watcher && state);
      expect(watcher?.errors ?? []).toEqual([]);
      expect(server.count(`POST ${PATH}/cancel`)).toBe(0);
    },
  );
});

describe("the events of a job", () => {
  test("come one after the other, to the end", async () => {
    const server = await scriptedServer();
    const told: JobEvent[] = [];
    const stream = server.stream().then((stream) =>
      stream
        .open()
        .event(snapshot({ seq: 1 }), 1)
        .events(change(2), final(3)),
    );
    for await (const event of clientOf(server).events(ID)) told.push(event);
    await stream;
    expect(told.map((event) => ("seq" in event ? event.seq : 0))).toEqual([1, 2, 3]);
  });

  test("end their stream when the loop is left", async () => {
    const server = await scriptedServer();
    const stream = server.stream().then((stream) => stream.open().event(snapshot({ seq: 1 }), 1));
    for await (const event of clientOf(server).events(ID)) {
      expect(event.type).toBe("connected");
      break;
    }
    await (await stream).closed;
  });

  test("merge the ticks that nobody has taken yet", async () => {
    const server = await scriptedServer();
    const client = clientOf(server);
    const events = client.events(ID);
    const first = events.next();
    const stream = (await server.stream()).open().event(snapshot({ seq: 1 }), 1);
    await first;
    const subscriber = new Subscriber(client);
    stream.event(tick(10)).event(tick(20)).events(change(2)).event(tick(30)).event(tick(40)).events(final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    const told: number[] = [];
    for await (const event of events) told.push("progress" in event ? event.progress : -1);
    expect(told).toEqual([20, 20, 40, 30]);
  });

  test("end with the error that ends the stream, or the reason for which it was given up", async () => {
    const server = await scriptedServer();
    const giveUp = new AbortController();
    const [refused, given] = [
      clientOf(server).events(ID),
      clientOf(server).events(ID, { signal: giveUp.signal }),
    ];
    const first = refused.next();
    (await server.stream()).refuse(404, { code: "not_found" });
    await expect(first).rejects.toMatchObject({ status: 404 });
    const second = given.next();
    giveUp.abort(new Error("enough"));
    await expect(second).rejects.toThrow("enough");
    await eventually(() => server.openStreams === 0);
  });
});

describe("watching all jobs", () => {
  const watch = (client: Client) => {
    const told: OwnerEvent[] = [];
    const states: string[] = [];
    const errors: Error[] = [];
    const stop = client.watchJobs({
      ...{
        onEvent: (event: OwnerEvent) => told.push(event),
        onConnection: (state: string) => states.push(state),
      },
      onError: (error) => errors.push(error),
    });
    return { told, states, errors, stop };
  };
  const seqs = (told: OwnerEvent[]) => told.map((event) => ("seq" in event ? event.seq : event.type));

  test("tells every job, each event once, and a run that comes after the end", async () => {
    const server = await scriptedServer();
    const { told, stop } = watch(tabOf(server));
    const stream = (await server.stream()).open();
    tell(
      stream,
      FRESH,
      change(1),
      { ...change(1), jobId: OTHER },
      change(1),
      final(2),
      change(3, { run: 2 }),
    );
    await eventually(() => told.length === 5);
    expect(seqs(told)).toEqual(["connected", 1, 1, 2, 3]);
    stop();
    await stream.closed;
  });

  test("says when the jobs are to be listed anew, and only then", async () => {
    const server = await scriptedServer();
    const client = tabOf(server);
    const { told } = watch(client);
    const stream = (await server.stream()).open();
    tell(stream, FRESH, change(1));
    await eventually(() => told.length === 2);
    const late = watch(client);
    await eventually(() => late.told.length === 1);
    stream.end();
    const second = (await server.stream()).open();
    second.event({ type: "connected", resumedAfter: "era-0-1" });
    tell(second, change(2));
    await eventually(() => told.length === 4);
    second.end();
    tell((await server.stream()).open(), FRESH);
    await eventually(() => told.length === 5);
    expect(told[2]).toEqual({ type: "connected", resumedAfter: "era-0-1" });
    expect(told[4]).toEqual({ type: "connected" });
    expect(late.told[0]).toEqual({ type: "connected" });
  });

  test("says so again and again while no stream gets through", async () => {
    const server = await scriptedServer();
    const { told, states } = watch(tabOf(server, { timing: { firstByteMs: 20, restMs: 10_000 } }));
    await eventually(() => told.length > 2);
    expect(new Set(seqs(told))).toEqual(new Set(["connected"]));
    expect(states).toEqual(["connecting", "polling"]);
  });

  test("ends when the server refuses", async () => {
    const server = await scriptedServer();
    const { errors, states } = watch(tabOf(server));
    (await server.stream()).refuse(401, { code: "missing_user" });
    await eventually(() => errors.length === 1);
    expect(errors[0]).toMatchObject({ status: 401 });
    expect(states).toEqual(["connecting", "refused"]);
  });
});
