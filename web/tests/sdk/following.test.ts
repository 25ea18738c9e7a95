/** Jobs followed by the one stream of all of the caller's, which tells events and no states. */

import { describe, expect, test } from "vitest";
import type { Client, JobEvent } from "../../src/sdk";
import {
  change,
  clientOf,
  eventually,
  final,
  ID,
  jobOf,
  PATH,
  record,
  rendered,
  Subscriber,
  tick,
} from "./made";
import { type Connection, type ScriptedServer, scriptedServer } from "./scripted-server";

const OTHER = "01980000-0000-7000-8000-000000000002";
const FRESH = { type: "connected" };

const place = (event: object) => `era-0-${"seq" in event ? event.seq : 0}`;

/** Tells events with their places. */
const tell = (stream: Connection, ...events: object[]) => {
  for (const event of events) stream.event(event, "tick" in event ? undefined : place(event));
};

const tabOf = (server: ScriptedServer, options: Parameters<typeof clientOf>[1] = {}): Client =>
  clientOf(server, { sharing: "tab", ...options });

/** A job that is followed; its stream is open, and its state has been read. */
async function followed(server: ScriptedServer, client = tabOf(server)): Promise<[Subscriber, Connection]> {
  const subscriber = new Subscriber(client);
  const stream = await server.stream();
  tell(stream.open(), FRESH);
  await subscriber.until(({ views, states }) => views.length > 0 && states.includes("live"));
  await eventually(() => server.count(`GET ${PATH}`) === 2);
  return [subscriber, stream];
}

describe("a followed job", () => {
  test("is read, and told by the stream of all jobs from there on", async () => {
    const server = await scriptedServer();
    record(server, [change(1), rendered(2, "reel-cover")]);
    const [subscriber, stream] = await followed(server);
    tell(stream, change(3), { ...change(9), jobId: OTHER }, tick(50), final(4));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([3, 4]);
    expect(Object.keys(subscriber.views[0]?.images ?? {})).toEqual(["reel-cover"]);
    expect(server.connections[0]?.asked.path).toBe("/api/events");
  });

  test("misses nothing that is told while it is read, and is told nothing twice", async () => {
    const server = await scriptedServer();
    const stream = server.stream();
    let answer = (_: object) => {};
    server.route(`GET ${PATH}`, () => new Promise((resolve) => (answer = (body) => resolve({ body }))));
    server.route(`GET ${PATH}/timeline`, { body: { events: [change(1), change(2)], nextAfter: null } });
    const subscriber = new Subscriber(tabOf(server));
    tell((await stream).open(), FRESH, change(2), change(3), change(5));
    await subscriber.until(({ states }) => states.includes("live"));
    await eventually(() => server.count(`GET ${PATH}`) === 1);
    record(server, [change(1), change(2), change(3), change(4), change(5)]);
    server.route(`GET ${PATH}/timeline`, ({ query }) => {
      const isFirst = query.get("after") === "0";
      return { body: { events: isFirst ? [change(1), change(2)] : [change(4), change(5)], nextAfter: null } };
    });
    answer(jobOf({ seq: 2 }));
    await subscriber.until(({ seqs }) => seqs.includes(5));
    tell(await stream, final(6));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([3, 4, 5, 6]);
    expect(subscriber.views[0]?.seq).toBe(2);
  });

  test("is read anew when the stream could not go on from where it was", async () => {
    const server = await scriptedServer();
    const events = [change(1), change(2)];
    record(server, events);
    const [subscriber, stream] = await followed(server);
    tell(stream, change(3));
    await subscriber.until(({ seqs }) => seqs.length === 1);
    events.push(change(3), change(4), change(5));
    stream.drop();
    const second = await server.stream();
    expect(second.asked.headers["last-event-id"]).toBe("era-0-3");
    second.open().event(FRESH, "other-0-9");
    await subscriber.until(({ seqs }) => seqs.length === 3);
    tell(second, final(6));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([3, 4, 5, 6]);
  });

  test("is not read anew when the stream goes on", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2)]);
    const [subscriber, stream] = await followed(server);
    stream.end();
    const second = await server.stream();
    second.open().event({ type: "connected", resumedAfter: "era-0-0" });
    tell(second, change(3), final(4));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(server.count(`GET ${PATH}`)).toBe(2);
  });

  test("that misses an event in the stream gets it from its timeline", async () => {
    const server = await scriptedServer();
    const events = [change(1), change(2)];
    record(server, events);
    const [subscriber, stream] = await followed(server);
    events.push(change(3), change(4));
    tell(stream, change(5), final(6));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([3, 4, 5, 6]);
  });

  test("has a timeline of many pages", async () => {
    const server = await scriptedServer();
    server.route(`GET ${PATH}`, { body: jobOf({ seq: 3 }) });
    server.route(`GET ${PATH}/timeline`, ({ query }) => {
      const seq = Number(query.get("after")) + 1;
      return {
        body: {
          events: [rendered(seq, seq === 2 ? "reel-cover" : "open-graph")],
          nextAfter: seq < 3 ? seq : null,
        },
      };
    });
    const [subscriber] = await followed(server);
    expect(Object.keys(subscriber.view?.images ?? {}).sort()).toEqual(["open-graph", "reel-cover"]);
  });

  test("is read again when that failed", async () => {
    const server = await scriptedServer();
    let tries = 0;
    server.route(`GET ${PATH}`, () => (++tries < 4 ? { status: 503 } : { body: jobOf({ seq: 1 }) }));
    const subscriber = new Subscriber(tabOf(server));
    tell((await server.stream()).open(), FRESH);
    await subscriber.until(({ views }) => views.length > 0);
    expect(subscriber.errors).toEqual([]);
  });

  test("that is not the caller's is refused, and the stream closed", async () => {
    const server = await scriptedServer();
    const subscriber = new Subscriber(tabOf(server));
    const stream = (await server.stream()).open();
    await subscriber.until(({ errors }) => errors.length === 1);
    expect(subscriber.errors[0]).toMatchObject({ status: 404, code: "not_found" });
    await stream.closed;
  });

  test("is told to all who follow it, by one stream and one question", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2)]);
    const client = tabOf(server);
    const [first, stream] = await followed(server, client);
    const second = new Subscriber(client);
    const third = new Subscriber(client);
    expect(second.views).toEqual([]);
    await second.until(({ views }) => views.length === 1);
    third.stop();
    tell(stream, final(3));
    await second.until(({ ends }) => ends.length === 1);
    expect(second.events.map(({ type }) => type)).toEqual(["connected", "final"]);
    expect(second.view).toBe(first.view);
    expect(third.ends).toEqual([]);
    expect(server.connections).toHaveLength(1);
    expect(server.count(`GET ${PATH}`)).toBe(2);
  });

  test("is told to nobody who has left by then", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2)]);
    const client = tabOf(server);
    const [first, stream] = await followed(server, client);
    const gone = new Subscriber(client);
    gone.stop();
    tell(stream, final(3));
    await first.until(({ ends }) => ends.length === 1);
    expect([gone.states, gone.views, gone.ends]).toEqual([[], [], []]);
  });

  test("may be followed again by who is told of its end", async () => {
    const server = await scriptedServer();
    const events: { seq: number }[] = [change(1), change(2)];
    record(server, events, () => (events.length > 2 ? { status: "waiting", run: 2 } : {}));
    const client = tabOf(server);
    const again: JobEvent[] = [];
    const subscriber = new Subscriber(client, {
      onComplete: () => {
        events.push(final(3), change(4, { run: 2, status: "waiting" }));
        subscriber.ends.length = 1;
        new Subscriber(client, { onUpdate: (view, event) => view.run === 2 && again.push(event) });
      },
    });
    const stream = await server.stream();
    tell(stream.open(), FRESH);
    await subscriber.until(({ views }) => views.length > 0);
    tell(stream, final(3));
    await eventually(() => again.length > 0);
    expect(again[0]).toMatchObject({ type: "connected", run: 2, status: "waiting" });
  });

  test("goes on for others when a subscriber throws", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2)]);
    const faults: unknown[] = [];
    const client = tabOf(server, { onFault: (error) => faults.push(error) });
    const [subscriber, stream] = await followed(server, client);
    const rude = () => {
      throw new Error("rude");
    };
    client.subscribeToJobUpdates(ID, { onUpdate: rude, onComplete: rude, onConnection: rude });
    tell(stream, final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(faults).toHaveLength(5);
  });

  test("tells who subscribes twice with the same twice, until each has left", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2)]);
    const client = tabOf(server);
    const [subscriber, stream] = await followed(server, client);
    const ends: unknown[] = [];
    const options = { onComplete: (view: unknown) => ends.push(view) };
    const [leave] = [1, 2, 3].map(() => client.subscribeToJobUpdates(ID, options));
    leave?.();
    tell(stream, final(3));
    await subscriber.until((one) => one.ends.length === 1);
    await eventually(() => ends.length === 2);
  });
});
