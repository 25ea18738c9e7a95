/** Streams that somebody on the way holds back, and questions in their place. */

import { describe, expect, test } from "vitest";
import { change, clientOf, final, jobOf, PATH, record, Subscriber, snapshot, watched } from "./made";
import { scriptedServer } from "./scripted-server";

describe("a stream of which nothing gets through", () => {
  test.each(["its headers", "its first bytes"])(
    "is replaced by questions when %s are held back, and tried again",
    async (held) => {
      const server = await scriptedServer();
      const events = [change(1), change(2)];
      record(server, events);
      const subscriber = new Subscriber(clientOf(server, { timing: { firstByteMs: 50, restMs: 100 } }));
      const mute = await server.stream();
      if (held === "its first bytes") mute.head();
      await mute.closed;
      await subscriber.until(({ states }) => states.includes("polling"));
      await subscriber.until(({ views }) => views.length > 0);
      events.push(change(3));
      await subscriber.until(({ seqs }) => seqs.includes(3));
      let stream = await server.stream();
      while (stream.isClosed) stream = await server.stream();
      stream
        .open()
        .event(snapshot({ seq: 3 }), 3)
        .events(final(4));
      await subscriber.until(({ ends }) => ends.length === 1);
      expect(subscriber.seqs).toEqual([3, 4]);
      expect(subscriber.states.slice(-3)).toEqual(["polling", "live", "closed"]);
    },
  );

  test("nor any more after its beginning is replaced by questions too", async () => {
    const server = await scriptedServer();
    const events: { seq: number }[] = [change(1)];
    record(server, events);
    const [subscriber] = await watched(server, { timing: { idleMs: 50, restMs: 10_000 } });
    events.push(change(2), final(3));
    await subscriber.until(({ ends }) => ends.length === 1);
    expect(subscriber.states).toEqual(["connecting", "live", "polling", "closed"]);
    expect(subscriber.seqs).toEqual([2, 3]);
  });

  test("is replaced by a first question at once", async () => {
    const server = await scriptedServer();
    record(server, [change(1), final(2)], () => ({ status: "completed", result: final(2).result ?? null }));
    const subscriber = new Subscriber(clientOf(server, { timing: { firstByteMs: 20, pollMs: 600_000 } }));
    await subscriber.until(({ ends }) => ends.length === 1);
  });

  test("is not there while it is live: nobody asks", async () => {
    const server = await scriptedServer();
    record(server, [change(1), change(2)]);
    const [subscriber, stream] = await watched(server);
    stream.events(change(2));
    await subscriber.until(({ seqs }) => seqs.length === 1);
    for (let beats = 0; beats < 20; beats++) await stream.apart(":\n\n");
    expect(server.count(`GET ${PATH}`)).toBe(0);
  });

  test("shows a job's place in the queue anew while it waits", async () => {
    const server = await scriptedServer();
    let queuePosition = 3;
    server.route(`GET ${PATH}`, () => ({
      body: jobOf({ seq: 1, status: "waiting", queuePosition: --queuePosition }),
    }));
    const [subscriber] = await watched(server, { timing: { standingMs: 5 } });
    await subscriber.until(({ view }) => view?.phase === "waiting" && view.queuePosition === 1);
    expect(subscriber.states).toEqual(["connecting", "live"]);
  });
});
