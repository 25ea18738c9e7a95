/** One connection for all tabs of a browser. Each client here is a tab. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Client, OwnerEvent } from "../../src/sdk";
import { Locks } from "./locks";
import { change, clientOf, eventually, final, ID, jobOf, PATH, record, Subscriber } from "./made";
import { type Connection, type ScriptedServer, scriptedServer } from "./scripted-server";

const FRESH = { type: "connected" };
/** Nothing but what the tests do makes anything happen. */
const PATIENT = { leaderSilenceMs: 600_000, restMs: 600_000, pollMs: 600_000, standingMs: 600_000 };

let locks: Locks;

beforeEach(() => {
  locks = new Locks();
  vi.stubGlobal("navigator", { locks, onLine: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const tabOf = (server: ScriptedServer, options: Parameters<typeof clientOf>[1] = {}): Client =>
  clientOf(server, {
    sharing: "browser",
    sessionId: "",
    ...options,
    timing: { ...PATIENT, ...options.timing },
  });

const tell = (stream: Connection, ...events: { seq: number }[]) => {
  for (const event of events) stream.event(event, `era-0-${event.seq}`);
};

/** So many tabs that follow a job; the stream is that of the first. */
async function opened(server: ScriptedServer, count: number): Promise<[Subscriber[], Connection]> {
  const first = new Subscriber(tabOf(server));
  const stream = (await server.stream()).open().event(FRESH, "era-0-0");
  const others = Array.from({ length: count - 1 }, () => new Subscriber(tabOf(server)));
  const tabs = [first, ...others];
  await eventually(() => tabs.every(({ views, states }) => views.length > 0 && states.at(-1) === "live"));
  return [tabs, stream];
}

/** Streams that are asked for from now on go on from where they are to, with these events. */
function goesOn(server: ScriptedServer, ...events: { seq: number }[]): void {
  server.script = (stream) => {
    const place = String(stream.asked.headers["last-event-id"]);
    stream.open().event({ type: "connected", resumedAfter: place });
    tell(stream, ...events.filter(({ seq }) => seq > Number(place.split("-")[2])));
  };
}

const all = (tabs: Subscriber[], met: (tab: Subscriber) => boolean) => eventually(() => tabs.every(met));

test("twelve tabs have one stream, and each is told each event once", async () => {
  const server = await scriptedServer();
  record(server, [change(1), change(2)]);
  const [tabs, stream] = await opened(server, 12);
  tell(stream, change(3), change(3), change(4));
  await all(tabs, ({ seqs }) => seqs.length === 2);
  expect(server.connections).toHaveLength(1);
  goesOn(server, final(5)); // for the next in line, when the first has no more to follow
  tell(stream, final(5));
  await all(tabs, ({ ends }) => ends.length === 1);
  expect(tabs.map(({ seqs }) => seqs.join())).toEqual(Array(12).fill("3,4,5"));
  await stream.closed;
});

test("when the tab that holds the stream goes, another one goes on from the same place", async () => {
  const server = await scriptedServer();
  record(server, [change(1), change(2)]);
  const [[leader, ...others], stream] = await opened(server, 12);
  tell(stream, change(3));
  await all(others, ({ seqs }) => seqs.length === 1);
  leader?.stop();
  goesOn(server, change(4), final(5));
  const second = await server.stream();
  expect(second.asked.headers["last-event-id"]).toBe("era-0-3");
  await stream.closed;
  await all(others, ({ ends }) => ends.length === 1);
  expect(others.map(({ seqs }) => seqs.join())).toEqual(Array(11).fill("3,4,5"));
  expect(server.count(`GET ${PATH}`)).toBeLessThan(36);
});

test("tabs may go one after the other: there is never more than one stream", async () => {
  const server = await scriptedServer();
  record(server, [change(1), change(2)]);
  const [tabs, first] = await opened(server, 4);
  let stream = first;
  for (const tab of tabs.slice(0, 3)) {
    tab.stop();
    await stream.closed;
    stream = (await server.stream()).open().event({ type: "connected", resumedAfter: "era-0-0" });
    await eventually(() => server.openStreams === 1);
  }
  tell(stream, final(3));
  await (tabs[3] as Subscriber).until(({ ends }) => ends.length === 1);
});

test("a leader that is frozen loses its place", async () => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  const frozen = locks.request(`snapasset ${server.url} `, {}, () => new Promise(() => {}));
  const tab = new Subscriber(tabOf(server, { timing: { leaderSilenceMs: 30 } }));
  await expect(frozen).rejects.toThrow();
  (await server.stream()).open().event(FRESH, "era-0-0");
  await tab.until(({ states }) => states.includes("live"));
});

test("a leader from which its place was taken closes its stream, and waits for its turn again", async () => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  const [[leader], stream] = await opened(server, 1);
  let giveBack = () => {};
  const thief = locks.request(
    `snapasset ${server.url} `,
    { steal: true },
    () => new Promise<void>((free) => (giveBack = free)),
  );
  await stream.closed;
  await eventually(() => server.openStreams === 0);
  giveBack();
  await thief;
  (await server.stream()).open().event(FRESH, "era-0-0");
  await leader?.until(({ states }) => states.at(-1) === "live");
});

test("a tab that is put away gives the stream to another, and comes back", async () => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  const [first] = await opened(server, 1);
  vi.stubGlobal("addEventListener", undefined);
  const second = new Subscriber(tabOf(server));
  await second.until(({ states }) => states.at(-1) === "live");
  page.dispatchEvent(new Event("pagehide"));
  const stream = (await server.stream()).open().event({ type: "connected", resumedAfter: "era-0-0" });
  await eventually(() => server.openStreams === 1);
  page.dispatchEvent(new Event("pageshow"));
  tell(stream, change(2));
  await all([...first, second], ({ seqs }) => seqs.length === 1);
  expect(server.connections).toHaveLength(2);
});

test("a tab that wakes up has the leader try again at once", async () => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  const [[leader], stream] = await opened(server, 1);
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  const other = new Subscriber(tabOf(server));
  await other.until(({ states }) => states.at(-1) === "live");
  stream.write("retry: 600000\n\n").end();
  await other.until(({ states }) => states.at(-1) === "reconnecting");
  page.dispatchEvent(new Event("online"));
  (await server.stream()).open().event(FRESH, "era-0-0");
  await all([leader as Subscriber, other], ({ states }) => states.at(-1) === "live");
});

test("a tab that has missed something of what the leader said reads anew", async () => {
  const server = await scriptedServer();
  const events: { seq: number }[] = [change(1), change(2)];
  record(server, events);
  const [tabs, stream] = await opened(server, 2);
  const thief = new BroadcastChannel(`snapasset ${server.url} `);
  events.push(change(3));
  thief.postMessage({ state: "live", before: "era-0-3", id: "era-0-3" });
  thief.close();
  await all(tabs.slice(1), ({ seqs }) => seqs.join() === "3");
  tell(stream, change(3), change(4));
  await all(tabs, ({ seqs }) => seqs.join() === "3,4");
});

test("tabs ask for themselves while the leader gets no stream", async () => {
  const server = await scriptedServer();
  const events: { seq: number }[] = [change(1)];
  record(server, events);
  const timing = { firstByteMs: 20, pollMs: 10 };
  const tabs = Array.from({ length: 3 }, () => new Subscriber(tabOf(server, { timing })));
  await all(tabs, ({ states }) => states.at(-1) === "polling");
  expect(server.openStreams).toBeLessThanOrEqual(1);
  events.push(change(2), final(3));
  await all(tabs, ({ ends }) => ends.length === 1);
});

test("a refusal is told to every tab", async () => {
  const server = await scriptedServer();
  server.route(`GET ${PATH}`, { body: jobOf({ seq: 1 }) });
  server.script = (stream) => stream.refuse(401, { code: "missing_user", detail: "Sign in." });
  const tabs = Array.from({ length: 3 }, () => new Subscriber(tabOf(server)));
  await all(tabs, ({ errors }) => errors.length === 1);
  expect(tabs[2]?.errors[0]).toMatchObject({ status: 401, code: "missing_user", detail: "Sign in." });
  expect(server.openStreams).toBe(0);
});

test("watchers of all jobs in every tab are told all, and where to begin", async () => {
  const server = await scriptedServer();
  const told: OwnerEvent[][] = [[], [], []];
  const ends = told.map((events) => tabOf(server).watchJobs({ onEvent: (event) => events.push(event) }));
  const stream = (await server.stream()).open().event(FRESH, "era-0-0");
  await eventually(() => told.every((events) => events.length > 0));
  tell(stream, change(1), final(2));
  await eventually(() => told.every((events) => events.some(({ type }) => type === "final")));
  for (const events of told) {
    expect(events[0]).toEqual(FRESH);
    expect(events.flatMap((event) => ("seq" in event ? [event.seq] : []))).toEqual([1, 2]);
  }
  for (const end of ends) end();
});

test.each(["locks", "channels"])("without %s each tab has a stream of its own", async (missing) => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  if (missing === "locks") vi.stubGlobal("navigator", {});
  else Reflect.deleteProperty(globalThis, "BroadcastChannel");
  try {
    server.script = (stream) => stream.open().event(FRESH, "era-0-0");
    const tabs = [new Subscriber(tabOf(server)), new Subscriber(tabOf(server))];
    await all(tabs, ({ states }) => states.includes("live"));
    expect(server.openStreams).toBe(2);
  } finally {
    const { BroadcastChannel } = await import("node:worker_threads");
    Object.assign(globalThis, { BroadcastChannel });
  }
});

test("callers with sessions of their own share nothing", async () => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  server.script = (stream) => stream.open().event(FRESH, "era-0-0");
  const sessions = ["a".repeat(22), "b".repeat(22)];
  const tabs = sessions.map((sessionId) => new Subscriber(tabOf(server, { sessionId })));
  await all(tabs, ({ states }) => states.includes("live"));
  expect(server.connections.map(({ asked }) => asked.headers["x-session-id"])).toEqual(sessions);
});

test("callers whom a token names share nothing, unless they are told to", async () => {
  vi.stubGlobal("document", { hidden: false });
  const server = await scriptedServer();
  record(server, [change(1)]);
  server.script = (stream) => stream.open().event(FRESH, "era-0-0");
  const tabs = ["ada", "bob"].map((token) => new Subscriber(clientOf(server, { token })));
  await all(tabs, ({ states }) => states.includes("live"));
  expect(server.connections.map(({ asked }) => asked.headers.authorization)).toEqual([
    "Bearer ada",
    "Bearer bob",
  ]);
});

test("a page that may have no locks reads a stream of its own", async () => {
  const refused = { request: () => Promise.reject(new DOMException("No.", "SecurityError")) };
  vi.stubGlobal("navigator", { locks: refused, onLine: true });
  const server = await scriptedServer();
  record(server, [change(1)]);
  server.script = (stream) => stream.open().event(FRESH, "era-0-0");
  const tab = new Subscriber(tabOf(server));
  await tab.until(({ states }) => states.includes("live"));
  expect(server.connections).toHaveLength(1);
});

/** The next POST is refused for want of a session. */
const lostSession = (server: ScriptedServer) => {
  let times = 0;
  server.route("POST /api/jobs/image-generation", () =>
    times++ ? { status: 202, body: { jobId: ID } } : { status: 400, body: { code: "malformed" } },
  );
};

test.each([
  ["that leads", 0],
  ["that listens", 1],
  ["that joins only then", 2],
])("a tab %s has the stream connected anew when it was given a new session", async (_, asker) => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  lostSession(server);
  const clients = [tabOf(server), tabOf(server), tabOf(server)];
  const tabs = clients.slice(0, 2).map((client) => client.watchJobs({ onEvent: () => {} }));
  const old = (await server.stream()).open().event(FRESH, "era-0-7");
  await eventually(() => server.openStreams === 1);
  server.script = (stream) => stream.open().event(FRESH, "era-1-0");
  await clients[asker]?.createGenerationJob({ prompt: "a lighthouse", platforms: ["reel-cover"] });
  const job = new Subscriber(clients[asker] as Client);
  await old.closed;
  await eventually(() => server.openStreams === 1 && server.connections.length === 3);
  const renewed = server.connections.find(({ isClosed }) => !isClosed);
  expect(renewed?.asked.headers).not.toHaveProperty("last-event-id");
  await job.until(({ views }) => views.length > 0);
  if (renewed) tell(renewed, change(2), final(3));
  await job.until(({ ends }) => ends.length === 1);
  for (const stop of tabs) stop();
});

test("an active job of which a live stream says nothing is read", async () => {
  const server = await scriptedServer();
  const events: { seq: number }[] = [change(1), change(2)];
  record(server, events);
  const tab = new Subscriber(tabOf(server, { timing: { standingMs: 10 } }));
  (await server.stream()).open().event(FRESH, "era-0-0");
  await tab.until(({ states, views }) => states.at(-1) === "live" && views.length > 0);
  events.push(final(3));
  await tab.until(({ ends }) => ends.length === 1);
  expect(server.connections).toHaveLength(1);
});
