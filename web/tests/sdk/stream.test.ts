/** What a stream may do to a subscriber, and what that must not notice. */

import { describe, expect, test } from "vitest";
import {
  change,
  clientOf,
  final,
  ID,
  PATH,
  record,
  rendered,
  Subscriber,
  snapshot,
  tick,
  watched,
} from "./made";
import { scriptedServer } from "./scripted-server";

const STREAM = `${PATH}/events`;

const resumed = (after: number) => ({ type: "connected", jobId: ID, resumedAfter: after });

describe("a stream", () => {
  test("tells a job from its state to its end, and is closed with it", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server);
    stream.events(change(2), change(3)).event(tick(42)).events(final(4));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3, 4]);
    expect(subscriber.views.map(({ phase }) => phase)).toEqual([
      "waiting",
      "active",
      "active",
      "active",
      "completed",
    ]);
    expect(subscriber.views.map(({ progress }) => progress)).toEqual([0, 20, 30, 42, 40]);
    expect(subscriber.states).toEqual(["connecting", "live", "closed"]);
    await stream.closed;
    expect(server.asked.map(({ path }) => path)).toEqual([STREAM]);
  });

  test("that drops is resumed after the last event it told", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server);
    stream.events(change(2));
    await subscriber.until(({ seqs }) => seqs.length === 1);
    stream.drop();
    const second = await server.stream();
    expect(second.asked.headers["last-event-id"]).toBe("2");
    second.open().event(resumed(2)).events(change(3), final(4));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3, 4]);
    expect(subscriber.states).toEqual(["connecting", "live", "reconnecting", "live", "closed"]);
  });

  test("that breaks often, and tells something each time, is never taken for mute", async () => {
    const server = await scriptedServer();
    let seq = 1;
    server.script = (stream) => {
      stream.open().event(seq > 1 ? resumed(seq) : snapshot({ seq: 1 }), seq > 1 ? undefined : 1);
      seq++;
      stream.events(seq < 8 ? change(seq) : final(seq));
    };
    const subscriber = new Subscriber(clientOf(server));
    for (let told = 1; told < 7; told++) {
      await subscriber.until(({ seqs }) => seqs.length === told);
      (await server.stream()).drop();
    }
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(subscriber.states).not.toContain("polling");
  });

  test("may repeat itself: each event is told once", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server);
    stream.events(change(2), change(2), change(3), change(2), change(3), final(4));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3, 4]);
  });

  test("may mix up the order: what is missing is read, and told before what came too soon", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server);
    record(server, [change(1), change(2), change(3), change(4)]);
    stream.events(change(4), change(2), change(3), change(5), final(6));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3, 4, 5, 6]);
  });

  test("may begin in the middle of a job: what has landed before is in the first view", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2), rendered(3, "reel-cover")]);
    const subscriber = new Subscriber(clientOf(server));
    (await server.stream()).open().event(snapshot({ seq: 3 }), 3);
    await subscriber.until(({ views }) => views.length === 1);
    expect(Object.keys(subscriber.view?.images ?? {})).toEqual(["reel-cover"]);
    expect(subscriber.seqs).toEqual([]);
  });

  test("of a job that has ended tells its state, and its end once", async () => {
    const server = await scriptedServer();
    record(server, [change(1), final(2)], () => ({ status: "completed", result: final(2).result ?? null }));
    const subscriber = new Subscriber(clientOf(server));
    (await server.stream())
      .open()
      .event(snapshot({ seq: 2, status: "completed" }))
      .events(final(2))
      .end();
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.events.map(({ type }) => type)).toEqual(["connected", "final"]);
  });

  test("may repeat the end of an earlier run: that is not the end of this one", async () => {
    const server = await scriptedServer();
    const subscriber = new Subscriber(clientOf(server), { token: "t" });
    const stream = (await server.stream()).open();
    stream
      .event(snapshot({ seq: 5, run: 2 }), 5)
      .events(final(4), change(6, { run: 2 }), final(7, { run: 2 }));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([6, 7]);
  });

  test("may hold a frame that is no JSON: that is told apart, what it hid is read, and the stream goes on", async () => {
    const server = await scriptedServer();
    const faults: unknown[] = [];
    const [subscriber, stream] = await watched(server, { onFault: (error) => faults.push(error) });
    record(server, [change(1), change(2)]);
    stream.write('id: 2\ndata: {"type":"upd\n\n');
    await subscriber.until(({ seqs }) => seqs.length === 1);
    stream.events(final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(faults).toHaveLength(1);
    expect(subscriber.seqs).toEqual([2, 3]);
    expect(server.connections).toHaveLength(1);
    expect(subscriber.errors).toEqual([]);
  });

  test("may be cut anywhere: between CR and LF, and within a character", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server);
    const event = change(2, { step: "🏝 généré" });
    const bytes = new TextEncoder().encode(`id: 2\r\ndata: ${JSON.stringify(event)}\r\n\r\n`);
    const cuts = [
      6,
      7,
      bytes.indexOf(0xf0) + 1,
      bytes.indexOf(0xf0) + 3,
      bytes.indexOf(0xc3) + 1,
      bytes.length - 3,
    ];
    let from = 0;
    for (const cut of [...cuts, bytes.length - 2, bytes.length - 1, bytes.length]) {
      await stream.apart(bytes.slice(from, cut));
      from = cut;
    }
    stream.events(final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3]);
    expect(subscriber.views[1]?.step).toBe("🏝 généré");
  });

  test("may bring a large event", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server);
    const output = "x".repeat(1_000_000);
    stream.events(change(2, { step: "decode", state: "done", output }), final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(JSON.stringify(subscriber.events[1])).toHaveLength(
      JSON.stringify(change(2, { step: "decode", state: "done", output })).length,
    );
  });

  test("that falls silent is given up and resumed: half of the connection may be gone", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server, { timing: { idleMs: 400, firstByteMs: 100 } });
    for (let beats = 0; beats < 6; beats++) await stream.apart(":\n\n");
    await stream.closed;
    const second = await server.stream();
    expect(second.asked.headers["last-event-id"]).toBe("1");
    second.open().event(resumed(1)).events(change(2), final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.seqs).toEqual([2, 3]);
    expect(subscriber.states).toEqual(["connecting", "live", "reconnecting", "live", "closed"]);
  });

  test("whose comments come is not given up", async () => {
    const server = await scriptedServer();
    const [subscriber, stream] = await watched(server, { timing: { idleMs: 400 } });
    for (let beats = 0; beats < 100; beats++) await stream.apart(":\n\n");
    stream.events(final(2));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(server.connections).toHaveLength(1);
  });

  test("whose first byte is slow is waited for", async () => {
    const server = await scriptedServer();
    const subscriber = new Subscriber(clientOf(server, { timing: { firstByteMs: 2_000 } }));
    const stream = await server.stream();
    await new Promise((resolve) => setTimeout(resolve, 150));
    stream
      .open()
      .event(snapshot({ seq: 1, status: "waiting" }), 1)
      .events(final(2));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(server.connections).toHaveLength(1);
    expect(subscriber.states).toEqual(["connecting", "live", "closed"]);
  });

  test("is asked for again when the server has waited as long as it said", async () => {
    const server = await scriptedServer();
    const subscriber = new Subscriber(clientOf(server));
    const first = await server.stream();
    const since = Date.now();
    first.open(150).end();
    (await server.stream()).open().event(snapshot({ seq: 1 }), 1);
    expect(Date.now() - since).toBeGreaterThanOrEqual(145);
    await subscriber.until(({ views }) => views.length === 1);
  });
});
