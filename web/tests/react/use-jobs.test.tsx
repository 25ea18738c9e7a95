// @vitest-environment happy-dom
import { render, waitFor } from "@testing-library/react";
import { describe, expect, test, vi } from "vitest";
import type { JobsResult } from "../../src/react";
import type { Job } from "../../src/sdk";
import { change, clientOf, final, ID, jobOf } from "../sdk/made";
import { scriptedServer } from "../sdk/scripted-server";
import { asked, has, idOf, List, listed, nth, serve } from "./listed";
import { type Frame, failed, OTHER, Probe } from "./stage";

describe("a visitor who comes for the first time", () => {
  test("has no jobs and no error, and sees the first that is made", async () => {
    const { last, stream, server, log, names } = await listed([]);
    expect(last()).toMatchObject({ jobs: [], error: null, hasMore: false });
    has(server, nth(1, { seq: 1, status: "waiting" }));
    stream.event(change(1, { jobId: idOf(1), status: "waiting" }), "0-1");
    await waitFor(() => expect(names()).toEqual([idOf(1)]));
    expect(log.map(({ error }) => error).filter(Boolean)).toEqual([]);
  });

  test("sees the list before a stream gets through", async () => {
    const server = await scriptedServer();
    const log: JobsResult[] = [];
    serve(server, [nth(1)]);
    render(<List client={clientOf(server, { sharing: "tab" })} log={log} />);
    await waitFor(() => expect(log.at(-1)?.jobs).toHaveLength(1));
    expect(log.at(-1)).toMatchObject({ connection: "connecting", isLoading: false });
  });

  test("where all must sign in, is told so; and is let in when asked again", async () => {
    const server = await scriptedServer();
    const log: JobsResult[] = [];
    serve(server, []);
    render(<List client={clientOf(server, { sharing: "tab" })} log={log} />);
    (await server.stream()).refuse(401, { code: "missing_user" });
    await waitFor(() => expect(log.at(-1)?.error).toMatchObject({ status: 401, code: "missing_user" }));
    expect(log.at(-1)).toMatchObject({ connection: "refused", isLoading: false });
    serve(server, [nth(1)]);
    void log.at(-1)?.refresh();
    (await server.stream()).open().event({ type: "connected" }, "0-0");
    await waitFor(() => expect(log.at(-1)).toMatchObject({ connection: "live", error: null }));
    await waitFor(() => expect(log.at(-1)?.jobs).toHaveLength(1));
  });
});

describe("a list of jobs", () => {
  test("takes in a new job at its top, and what is told of it", async () => {
    const { stream, server, names, last } = await listed([nth(1)]);
    has(server, nth(2, { seq: 2 }));
    stream.event(change(2, { jobId: idOf(2) }), "0-1");
    await waitFor(() => expect(names()).toEqual([idOf(2), idOf(1)]));
    stream.event(change(3, { jobId: idOf(2) }), "0-2").event(change(3, { jobId: idOf(1) }), "0-3");
    await waitFor(() => expect(last().jobs.map(({ progress }) => progress)).toEqual([30, 30]));
    expect([asked(server, 1), asked(server, 2)]).toEqual([0, 1]);
  });

  test("loses a job that does not fit its filter any more, and does not ask for others that do not", async () => {
    const filter = { status: ["waiting", "active"] } as const;
    const { stream, server, names } = await listed([nth(2), nth(1)], filter);
    expect(server.asked.find(({ path }) => path === "/api/jobs")?.query.get("status")).toBe("waiting,active");
    stream.event(final(3, { jobId: idOf(2) }), "0-1").event(final(9, { jobId: idOf(3) }), "0-2");
    await waitFor(() => expect(names()).toEqual([idOf(1)]));
    has(server, nth(2, { seq: 4, run: 2, status: "waiting" }));
    stream.event(change(4, { jobId: idOf(2), run: 2, status: "waiting" }), "0-3");
    await waitFor(() => expect(names()).toEqual([idOf(2), idOf(1)]));
    expect(asked(server, 3)).toBe(0);
  });

  test("asks once for a job of a kind that it does not show", async () => {
    const { stream, server, names } = await listed([nth(1)], { kind: "image-generation" });
    has(server, nth(2, { seq: 2, kind: "file-cleanup" } as Partial<Job>));
    has(server, nth(3, { seq: 2 }));
    stream.event(change(2, { jobId: idOf(2) }), "0-1");
    await waitFor(() => expect(asked(server, 2)).toBe(1));
    await server.moment();
    stream.event(change(3, { jobId: idOf(2) }), "0-2").event(change(2, { jobId: idOf(3) }), "0-3");
    await waitFor(() => expect(names()).toEqual([idOf(3), idOf(1)]));
    expect(asked(server, 2)).toBe(1);
  });

  test("reads a job of which news was missed, until it has the newest", async () => {
    const { stream, server, last } = await listed([nth(1, { seq: 2 })]);
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    const answers = [
      nth(1, { seq: 5, progress: 50 }),
      nth(1, { seq: 6, status: "completed", progress: 100 }),
    ];
    server.route(`GET /api/jobs/${idOf(1)}`, async () => {
      const body = answers.shift();
      if (answers.length > 0) await slow;
      return { body };
    });
    stream.event(change(5, { jobId: idOf(1) }), "0-1");
    await waitFor(() => expect(asked(server, 1)).toBe(1));
    stream.event(final(6, { jobId: idOf(1) }), "0-2");
    await server.moment();
    release();
    await waitFor(() => expect(last().jobs[0]?.phase).toBe("completed"));
    expect(asked(server, 1)).toBe(2);
  });

  test("tells of no job a place in line that nobody keeps up to date, however the job came in", async () => {
    const standing = { queuePosition: 3, eta: { startsIn: 20, finishesIn: 60, sampleSize: 9 } };
    const waiting = (n: number, fields: Partial<Job> = {}) =>
      nth(n, { seq: 1, status: "waiting", ...standing, ...fields });
    const jobs = [waiting(5), waiting(1)];
    const { stream, server, names, last } = await listed(jobs, { limit: 1 });
    await last().loadMore();
    has(server, waiting(6));
    stream.event(change(1, { jobId: idOf(6), status: "waiting" }), "0-1");
    await waitFor(() => expect(names()).toEqual([idOf(6), idOf(5), idOf(1)]));
    has(server, waiting(1, { seq: 4 })); // of which news was missed
    stream.event(change(4, { jobId: idOf(1), status: "waiting" }), "0-2");
    await waitFor(() => expect(last().jobs.at(-1)?.seq).toBe(4));
    for (const view of last().jobs) {
      expect(view).toMatchObject({ phase: "waiting", queuePosition: null, eta: null });
      expect(view.job).toMatchObject({ queuePosition: null, eta: null });
    }
  });

  test("loses a job that is not there any more", async () => {
    const { stream, names } = await listed([nth(2), nth(1)]);
    stream.event(change(9, { jobId: idOf(2) }), "0-1");
    await waitFor(() => expect(names()).toEqual([idOf(1)]));
  });

  test("is asked for anew after a reconnect that may have missed something, and keeps the views that are no others", async () => {
    const { stream, server, names, last, jobs } = await listed([nth(1)]);
    const [known] = last().jobs;
    jobs.unshift(nth(2));
    stream.drop();
    (await server.stream()).open().event({ type: "connected" }, "0-9");
    await waitFor(() => expect(names()).toEqual([idOf(2), idOf(1)]));
    expect(last().jobs[1]).toBe(known);
  });

  test("is not asked for when the stream goes on where it left off", async () => {
    const { stream, server, last } = await listed([nth(1)]);
    const before = server.count("GET /api/jobs");
    stream.drop();
    const second = await server.stream();
    expect(second.asked.headers["last-event-id"]).toBe("0-0");
    second.open().event({ type: "connected", resumedAfter: "0-0" });
    second.event(change(3, { jobId: idOf(1) }), "0-1");
    await waitFor(() => expect(last().jobs[0]?.progress).toBe(30));
    expect(server.count("GET /api/jobs")).toBe(before);
  });

  test("keeps a job that came while it was being read and that the answer does not have", async () => {
    const { stream, server, names, last } = await listed([nth(1)]);
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.route("GET /api/jobs", async () => {
      await slow;
      return { body: { jobs: [nth(1)], nextCursor: null } };
    });
    const done = last().refresh();
    has(server, nth(2, { seq: 2 }));
    stream.event(change(2, { jobId: idOf(2) }), "0-1");
    await waitFor(() => expect(names()).toEqual([idOf(2), idOf(1)]));
    release();
    await done;
    expect(names()).toEqual([idOf(2), idOf(1)]);
  });

  test("that could not be read says why, and is read again by itself", async () => {
    const { last, server } = await listed([nth(1)]);
    server.route("GET /api/jobs", { status: 503, body: { status: 503, code: "unavailable" } });
    const again = vi.spyOn(globalThis, "setTimeout");
    await last().refresh();
    await waitFor(() => expect(last()).toMatchObject({ error: { status: 503 }, connection: "live" }));
    expect(last().jobs).toHaveLength(1);
    serve(server, [nth(2), nth(1)]);
    for (const [act, ms] of again.mock.calls) if (ms === 5_000) (act as () => void)();
    await waitFor(() => expect(last()).toMatchObject({ error: null, jobs: { length: 2 } }));
  });

  test("is asked for again and again where no stream gets through", async () => {
    const timing = { firstByteMs: 40, restMs: 10_000, pollMs: 10 };
    const server = await scriptedServer();
    const log: JobsResult[] = [];
    const jobs: Job[] = [];
    serve(server, jobs);
    render(<List client={clientOf(server, { sharing: "tab", timing })} log={log} />);
    await waitFor(() => expect(log.at(-1)?.connection).toBe("polling"));
    jobs.push(nth(1));
    await waitFor(() => expect(log.at(-1)?.jobs).toHaveLength(1));
    const frames = log.length;
    const before = server.count("GET /api/jobs");
    await waitFor(() => expect(server.count("GET /api/jobs")).toBeGreaterThan(before + 2));
    expect(log.length).toBe(frames);
  });

  test("is shared by all who want the same, and let go with the last of them", async () => {
    const server = await scriptedServer();
    const client = clientOf(server, { sharing: "tab" });
    const watch = vi.spyOn(client, "watchJobs");
    serve(server, [nth(1)]);
    const logs: JobsResult[][] = [[], []];
    const [one = [], two = []] = logs;
    const lists = [
      <List key="one" client={client} log={one} status={["active"]} />,
      <List key="two" client={client} log={two} status={["active"]} />,
    ];
    const { unmount } = render(lists);
    const stream = (await server.stream()).open().event({ type: "connected" }, "0-0");
    await waitFor(() => expect(logs.map((log) => log.at(-1)?.jobs.length)).toEqual([1, 1]));
    unmount();
    await stream.closed;
    expect(watch).toHaveBeenCalledTimes(1);
  });

  test("that is not enabled asks nothing and waits for nothing", async () => {
    const server = await scriptedServer();
    const log: JobsResult[] = [];
    render(<List client={clientOf(server, { sharing: "tab" })} log={log} enabled={false} />);
    await server.moment();
    expect(server.asked).toEqual([]);
    expect(log.at(-1)).toMatchObject({ isLoading: false, connection: "idle" });
  });
});

describe("a job that is shown alone, after its run is over", () => {
  test("is followed again when it is retried elsewhere, whatever the list shows", async () => {
    const { server, client, stream } = await listed([], { status: "completed" });
    const log: Frame[] = [];
    server.route(`GET /api/jobs/${ID}`, { body: jobOf({ seq: 1, status: "waiting" }) });
    render(<Probe jobId={ID} client={client} log={log} />);
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("waiting"));
    stream.event(failed(2), "0-1");
    await waitFor(() =>
      expect(log.at(-1)).toMatchObject({ connection: "closed", view: { phase: "failed" } }),
    );
    const second = jobOf({ seq: 3, run: 2, status: "waiting", finishedAt: null });
    has(server, second);
    const events = [failed(2), change(3, { run: 2, status: "waiting" })];
    server.route(`GET /api/jobs/${ID}/timeline`, { body: { jobId: ID, events, nextAfter: null } });
    stream.event(change(3, { run: 2, status: "waiting" }), "0-2");
    await waitFor(() => expect(log.at(-1)?.view).toMatchObject({ phase: "waiting", run: 2 }));
    stream.event(final(4, { run: 2 }), "0-3").event(final(4, { run: 2, jobId: OTHER }), "0-4");
    await waitFor(() => expect(log.at(-1)?.view).toMatchObject({ phase: "completed", run: 2 }));
  });
});
