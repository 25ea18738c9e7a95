/** Pages that sleep, lose their network or cannot read streams; and places that are no pages. */

import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { change, clientOf, eventually, final, ID, record, Subscriber, snapshot } from "./made";
import { scriptedServer } from "./scripted-server";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** A page that a test can put away and wake. */
function pageOf(): { tell(name: string, state?: { hidden?: boolean; onLine?: boolean }): void } {
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
  return {
    tell(name, { hidden = false, onLine = true } = {}) {
      vi.stubGlobal("document", { hidden });
      vi.stubGlobal("navigator", { onLine });
      page.dispatchEvent(new Event(name));
    },
  };
}

test.each(["online", "pageshow", "visibilitychange"])(
  "%s has a pending reconnect made at once",
  async (name) => {
    const server = await scriptedServer();
    const subscriber = new Subscriber(clientOf(server));
    const page = pageOf();
    const first = new Subscriber(clientOf(server));
    const streams = [await server.stream(), await server.stream()];
    for (const stream of streams) stream.open(600_000).end();
    await first.until(({ states }) => states.at(-1) === "reconnecting");
    page.tell(name);
    (await server.stream())
      .open()
      .event(snapshot({ seq: 1 }), 1)
      .events(final(2));
    await first.until(({ ends }) => ends.length === 1);
    expect(subscriber.ends).toEqual([]);
  },
);

test("a tab that is hidden keeps its stream, and asks for nothing", async () => {
  const server = await scriptedServer();
  record(server, [change(1)]);
  const page = pageOf();
  const subscriber = new Subscriber(clientOf(server));
  const stream = (await server.stream()).open().event(snapshot({ seq: 1 }), 1);
  await subscriber.until(({ views }) => views.length > 0);
  page.tell("visibilitychange", { hidden: true });
  page.tell("visibilitychange");
  stream.events(change(2), final(3));
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(server.connections).toHaveLength(1);
});

test("a stream that has died in the page's sleep is begun again as it wakes", async () => {
  const server = await scriptedServer();
  const page = pageOf();
  const subscriber = new Subscriber(clientOf(server));
  const stream = (await server.stream()).open().event(snapshot({ seq: 1 }), 1);
  await subscriber.until(({ views }) => views.length > 0);
  const now = Date.now();
  vi.spyOn(Date, "now").mockImplementation(() => now + 60_000);
  page.tell("pageshow");
  await stream.closed;
  const second = await server.stream();
  expect(second.asked.headers["last-event-id"]).toBe("1");
  second.open().event({ type: "connected", jobId: ID, resumedAfter: 1 }).events(final(2));
  await subscriber.until(({ ends }) => ends.length === 1);
});

test("without a network the state says so", async () => {
  const server = await scriptedServer();
  const page = pageOf();
  const subscriber = new Subscriber(clientOf(server));
  const stream = (await server.stream()).open(600_000).event(snapshot({ seq: 1 }), 1);
  await subscriber.until(({ views }) => views.length > 0);
  page.tell("offline", { onLine: false });
  stream.drop();
  await subscriber.until(({ states }) => states.at(-1) === "offline");
  page.tell("online");
  (await server.stream()).open().event({ type: "connected", jobId: ID, resumedAfter: 1 }).events(final(2));
  await subscriber.until(({ ends }) => ends.length === 1);
});

/** What browsers have, as far as it is used: it connects by the real `fetch`. */
class FakeEventSource {
  static readonly made: FakeEventSource[] = [];
  onmessage: ((message: { data: string; lastEventId: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  isClosed = false;
  readonly url: string;
  readonly init: { withCredentials: boolean };

  constructor(url: string, init: { withCredentials: boolean }) {
    this.url = url;
    this.init = init;
    FakeEventSource.made.push(this);
  }

  tell(data: object, lastEventId = ""): void {
    this.onmessage?.({ data: JSON.stringify(data), lastEventId });
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Such a browser lacks these too. */
function withoutNewerParts(): void {
  for (const [where, name] of [
    [AbortSignal, "any"],
    [AbortSignal, "timeout"],
    [URLSearchParams.prototype, "size"],
  ] as const) {
    const kept = Object.getOwnPropertyDescriptor(where, name) as PropertyDescriptor;
    Reflect.deleteProperty(where, name);
    onTestFinished(() => void Object.defineProperty(where, name, kept));
  }
}

test("where streams cannot be read by fetch an EventSource reads them", async () => {
  const server = await scriptedServer();
  withoutNewerParts();
  const events: { seq: number }[] = [change(1)];
  record(server, events);
  vi.stubGlobal("Response", class {});
  vi.stubGlobal("EventSource", FakeEventSource);
  FakeEventSource.made.length = 0;
  const subscriber = new Subscriber(clientOf(server, { sharing: "tab", credentials: "include" }));
  const [source] = FakeEventSource.made;
  expect(source?.url).toBe(`${server.url}/api/events`);
  expect(source?.init).toEqual({ withCredentials: true });
  source?.tell({ type: "connected" }, "era-0-1");
  await subscriber.until(({ states, views }) => states.at(-1) === "live" && views.length > 0);
  source?.tell(change(2), "era-0-2");
  await subscriber.until(({ seqs }) => seqs.length === 1);
  source?.onerror?.();
  await eventually(() => source?.isClosed === true);
  await subscriber.until(({ states }) => states.at(-1) === "reconnecting");
  const page = FakeEventSource.made;
  vi.spyOn(Math, "random").mockReturnValue(0);
  await eventually(() => page.length === 2);
  events.push(change(2), change(3));
  page[1]?.tell({ type: "connected" }, "era-0-3"); // it begins anew: what it has missed is read
  await subscriber.until(({ seqs }) => seqs.length === 2);
  page[1]?.tell(final(4), "era-0-4");
  await subscriber.until(({ ends }) => ends.length === 1);
  expect(subscriber.seqs).toEqual([2, 3, 4]);
  await eventually(() => page[1]?.isClosed === true);
});

test("where nothing can read streams the job is asked about", async () => {
  const server = await scriptedServer();
  const events: { seq: number }[] = [change(1)];
  record(server, events);
  vi.stubGlobal("Response", class {});
  const subscriber = new Subscriber(clientOf(server, { sharing: "tab" }));
  await subscriber.until(({ states }) => states.at(-1) === "polling");
  events.push(final(2));
  await subscriber.until(({ ends }) => ends.length === 1);
});

test("importing it does nothing: it asks for nothing, and listens to nothing", async () => {
  const names = ["fetch", "EventSource", "BroadcastChannel", "addEventListener", "reportError"];
  const doers = names.map((name) => vi.fn(() => name));
  const request = vi.fn();
  for (const [index, name] of names.entries()) vi.stubGlobal(name, doers[index]);
  vi.stubGlobal("navigator", { locks: { request } });
  vi.resetModules();
  const sdk = await import("../../src/sdk");
  vi.unstubAllGlobals();
  expect(sdk.createGenerationJob).toBeTypeOf("function");
  for (const doer of [...doers, request]) expect(doer).not.toHaveBeenCalled();
});

test("the default client is one, made when it is first asked for", async () => {
  const sdk = await import("../../src/sdk");
  expect(sdk.defaultClient()).toBe(sdk.defaultClient());
  await expect(sdk.listJobs()).rejects.toBeInstanceOf(sdk.ConnectionLost); // Node knows no page whose origin it could ask
});
