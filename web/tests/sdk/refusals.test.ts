/** What a server, or what stands before it, may say instead of a stream. */

import { expect, test, vi } from "vitest";
import { ConnectionLost, ProblemError } from "../../src/sdk";
import { change, clientOf, eventually, final, ID, PATH, record, Subscriber, snapshot } from "./made";
import { scriptedServer } from "./scripted-server";

const REFUSALS = [
  [401, "missing_user"],
  [403, "forbidden"],
  [404, "not_found"],
] as const;

test.each(REFUSALS)("%s ends the subscription with a typed error", async (status, code) => {
  const server = await scriptedServer();
  const subscriber = new Subscriber(clientOf(server));
  (await server.stream()).refuse(status, { code, detail: "No.", retryable: false, requestId: "r7" });
  await subscriber.until(({ errors }) => errors.length === 1);
  expect(subscriber.errors[0]).toBeInstanceOf(ProblemError);
  expect(subscriber.errors[0]).toMatchObject({
    status,
    code,
    detail: "No.",
    retryable: false,
    requestId: "r7",
  });
  expect(subscriber.states).toEqual(["connecting", "refused"]);
  expect(server.connections).toHaveLength(1);
});

test("401 in the middle of a job ends the subscription too", async () => {
  const server = await scriptedServer();
  const subscriber = new Subscriber(clientOf(server));
  const stream = await server.stream();
  stream
    .open()
    .event(snapshot({ seq: 1 }), 1)
    .end();
  (await server.stream()).refuse(401, { code: "missing_user" });
  await subscriber.until(({ errors }) => errors.length === 1);
  expect(subscriber.errors[0]).toMatchObject({ status: 401 });
  expect(subscriber.ends).toEqual([]);
});

test("204 means that there is nothing more: how the job ended is read", async () => {
  const server = await scriptedServer();
  record(server, [change(1), final(2)], () => ({ status: "completed", result: final(2).result }));
  const subscriber = new Subscriber(clientOf(server));
  (await server.stream()).refuse(204);
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.view?.phase).toBe("completed");
  expect(server.connections).toHaveLength(1);
});

test("204 to who may not read the job ends the subscription", async () => {
  const server = await scriptedServer();
  const subscriber = new Subscriber(clientOf(server), { token: "t" });
  (await server.stream()).refuse(204);
  await subscriber.until(({ errors }) => errors.length === 1);
  expect(subscriber.errors[0]).toBeInstanceOf(ConnectionLost);
});

test.each([503, 502, 429])("%s is tried again", async (status) => {
  const server = await scriptedServer();
  const subscriber = new Subscriber(clientOf(server));
  (await server.stream()).refuse(status);
  (await server.stream())
    .open()
    .event(snapshot({ seq: 1 }), 1)
    .events(final(2));
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.states).toEqual(["connecting", "reconnecting", "live", "closed"]);
});

test("503 with Retry-After is tried again no sooner, whatever wakes the page", async () => {
  const server = await scriptedServer();
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  const subscriber = new Subscriber(clientOf(server));
  const first = await server.stream();
  const since = Date.now();
  first.refuse(503, {}, { "retry-after": "0.3" });
  await subscriber.until(({ states }) => states.includes("reconnecting"));
  page.dispatchEvent(new Event("online"));
  const second = await server.stream();
  expect(Date.now() - since).toBeGreaterThanOrEqual(290);
  second
    .open()
    .event(snapshot({ seq: 1 }), 1)
    .events(final(2));
  await subscriber.until(({ ends }) => ends.length === 1);
  vi.unstubAllGlobals();
});

test("pauses grow with failures, and are drawn from all of the range", async () => {
  const { backoff } = await import("../../src/sdk/backoff");
  const random = vi.spyOn(Math, "random").mockReturnValue(0.5);
  expect([0, 1, 2, 3, 10, 1_000].map((failures) => backoff(failures))).toEqual([
    500, 1_000, 2_000, 4_000, 15_000, 15_000,
  ]);
  random.mockReturnValue(0);
  expect(backoff(5)).toBe(0);
});

test("no pause is longer than five minutes, whatever the server asks for", async () => {
  const { createAlarm } = await import("../../src/sdk/backoff");
  vi.useFakeTimers();
  const act = vi.fn();
  createAlarm()(2 ** 40, act);
  vi.advanceTimersByTime(299_999);
  expect(act).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(act).toHaveBeenCalledTimes(1);
  vi.useRealTimers();
});

test("a captive portal's page is no answer: it is tried again", async () => {
  const server = await scriptedServer();
  const subscriber = new Subscriber(clientOf(server));
  (await server.stream()).html();
  (await server.stream()).html();
  (await server.stream())
    .open()
    .event(snapshot({ seq: 1 }), 1)
    .events(final(2));
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.errors).toEqual([]);
});

test("when streams fail again and again the job is asked about meanwhile", async () => {
  const server = await scriptedServer();
  const events: { seq: number }[] = [change(1), change(2)];
  record(server, events);
  server.script = (stream) => stream.refuse(503, {}, events.length > 2 ? { "retry-after": "60" } : {});
  const tries: number[] = [];
  const onConnection = (state: string) => state === "polling" && tries.push(server.connections.length);
  const subscriber = new Subscriber(clientOf(server), { onConnection });
  await subscriber.until(({ views }) => views.length > 0);
  expect(tries[0]).toBe(3);
  events.push(change(3), final(4));
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.seqs).toEqual([3, 4]);
});

test("a server that is killed is waited for, and resumed when another has taken its place", async () => {
  const server = await scriptedServer();
  record(server, []);
  const subscriber = new Subscriber(clientOf(server));
  (await server.stream())
    .open()
    .event(snapshot({ seq: 1 }), 1)
    .events(change(2));
  await subscriber.until(({ seqs }) => seqs.length === 1);
  await server.stop();
  await subscriber.until(({ states }) => states.at(-1) === "reconnecting");
  server.script = (stream) =>
    stream.open().event({ type: "connected", jobId: ID, resumedAfter: 2 }).events(change(3), final(4));
  await server.restart();
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.seqs).toEqual([2, 3, 4]);
  expect(server.connections.at(-1)?.asked.headers["last-event-id"]).toBe("2");
});

test("a server that has lost its memory tells the job anew", async () => {
  const server = await scriptedServer();
  const events = [change(1), change(2)];
  record(server, events);
  const subscriber = new Subscriber(clientOf(server));
  const first = await server.stream();
  first.open().event(snapshot({ seq: 2 }), 2);
  await subscriber.until(({ views }) => views.length === 1);
  events.push(change(3), change(4));
  first.end();
  (await server.stream())
    .open()
    .event(snapshot({ seq: 4 }), 4)
    .events(final(5));
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.seqs).toEqual([3, 4, 5]);
});

test("a job that is removed while it is asked about ends the subscription", async () => {
  const server = await scriptedServer();
  server.script = (stream) => stream.html(502);
  record(server, [change(1)]);
  const subscriber = new Subscriber(clientOf(server));
  await subscriber.until(({ views }) => views.length > 0);
  server.route(`GET ${PATH}`, { status: 404, body: { code: "not_found" } });
  await subscriber.until(({ errors }) => errors.length === 1);
  expect(subscriber.errors[0]).toMatchObject({ status: 404, code: "not_found" });
  const asked = server.asked.length;
  await eventually(() => server.openStreams === 0);
  expect(server.asked).toHaveLength(asked);
});
