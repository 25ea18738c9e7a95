// @vitest-environment happy-dom
import { render, screen, waitFor } from "@testing-library/react";
import { describe, expect, onTestFinished, test } from "vitest";
import { SnapAssetProvider } from "../../src/react";
import { ProblemError } from "../../src/sdk";
import { change, final, ID, jobOf, PATH, record, tick } from "../sdk/made";
import { scriptedServer } from "../sdk/scripted-server";
import {
  apart,
  connections,
  ended,
  type Frame,
  failed,
  OTHER,
  Probe,
  phases,
  secondRun,
  shown,
  waiting,
} from "./stage";

const STREAM = `${PATH}/events`;
const resumed = (after: number) => ({ type: "connected", jobId: ID, resumedAfter: after });

describe("the phase of a job and the state of the connection", () => {
  test("are told apart: a job stays as it is while its stream is away", async () => {
    const { log, stream, server } = await shown();
    stream.events(change(2));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("active"));
    stream.drop();
    await waitFor(() => expect(connections(log)).toEqual(["idle", "connecting", "live", "reconnecting"]));
    expect(log.at(-1)?.view?.phase).toBe("active");
    expect(log.at(-1)?.error).toBeNull();
    (await server.stream()).open().event(resumed(2)).events(final(3));
    await waitFor(() => expect(log.at(-1)?.connection).toBe("closed"));
    expect(phases(log)).toEqual(["loading", "waiting", "active", "completed"]);
  });

  test("the end of a stream is not the end of a job: it is followed on where it left off", async () => {
    const settled: unknown[] = [];
    const { log, stream, server } = await shown({ onSettled: (view) => settled.push(view) });
    stream.end();
    const second = await server.stream();
    expect(second.asked.headers["last-event-id"]).toBe("1");
    expect(settled).toEqual([]);
    second.open().event(resumed(1)).events(change(2), final(3));
    await waitFor(() => expect(settled).toHaveLength(1));
    expect(phases(log)).toEqual(["loading", "waiting", "active", "completed"]);
  });

  test("a stream that falls silent is given up, then the job is asked about: never both", async () => {
    const timing = { idleMs: 250, restMs: 300 };
    const { log, server, stream } = await shown({}, { timing });
    const events = [change(1), change(2)];
    record(server, events, () => ({ progress: 20 }));
    await stream.closed;
    await waitFor(() => expect(log.at(-1)).toMatchObject({ connection: "polling", view: { progress: 20 } }));
    expect(server.openStreams).toBe(0);
    const next = (await server.stream()).open().event(resumed(2)).events(change(3));
    const beat = setInterval(() => next.write(":\n\n"), 10);
    onTestFinished(() => clearInterval(beat));
    await waitFor(() => expect(log.at(-1)).toMatchObject({ connection: "live", view: { progress: 30 } }));
    const beats = async (count: number) => {
      while (count-- > 0) await next.apart(":\n\n");
    };
    await beats(10); // the question that was on its way
    const asked = server.count(`GET ${PATH}`);
    await beats(20);
    expect(server.count(`GET ${PATH}`)).toBe(asked);
    next.events(final(4));
    await waitFor(() => expect(log.at(-1)?.connection).toBe("closed"));
    expect(connections(log)).toEqual(["idle", "connecting", "live", "polling", "live", "closed"]);
  });

  test("a hidden tab keeps its stream", async () => {
    const { log, stream, server } = await shown();
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    onTestFinished(() => void Reflect.deleteProperty(document, "hidden"));
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    window.dispatchEvent(new Event("blur"));
    stream.events(change(2));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("active"));
    Object.defineProperty(document, "hidden", { value: false, configurable: true });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    stream.events(final(3));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("completed"));
    expect(server.connections).toHaveLength(1);
    expect(connections(log)).toEqual(["idle", "connecting", "live", "closed"]);
  });
});

describe("leaving", () => {
  test("is not cancelling: the stream is let go, and the job is not touched", async () => {
    const { leave, stream, server } = await shown();
    leave();
    await stream.closed;
    expect(server.asked.map(({ method, path }) => `${method} ${path}`)).toEqual([`GET ${STREAM}`]);
  });

  test("cancelling is another thing, and is shown when it is done", async () => {
    const { result, server, log } = await shown();
    server.route(`POST ${PATH}/cancel`, {
      body: jobOf({ seq: 2, status: "cancelled", finishedAt: "2026-01-01T00:01:00.000Z" }),
    });
    await result.current?.cancel();
    await waitFor(() => expect(log.at(-1)).toMatchObject({ connection: "closed" }));
    expect(log.at(-1)?.view?.phase).toBe("cancelled");
  });

  test("a refusal to cancel is told to who asked, and changes nothing that is shown", async () => {
    const { result, server, log } = await shown();
    server.route(`POST ${PATH}/cancel`, { status: 409, body: { status: 409, code: "conflict" } });
    await expect(result.current?.cancel()).rejects.toMatchObject({ status: 409, code: "conflict" });
    expect(log.at(-1)).toMatchObject({ error: null, connection: "live", view: { phase: "waiting" } });
  });
});

describe("events", () => {
  test("with a seq that was seen already are dropped", async () => {
    const { log, stream } = await shown();
    stream.events(change(2, { progress: 20 }), change(3, { progress: 30 }));
    stream.events(change(2, { progress: 1 }), change(3, { progress: 2 }), final(4));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("completed"));
    const progress = log.map(({ view }) => view?.progress ?? 0);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(Math.max(...progress)).toBe(40);
  });

  test("nor does an older initialJob, given anew at each rendering, take back what is known", async () => {
    const { log, stream, again } = await shown();
    stream.events(change(2)).event(tick(55));
    await waitFor(() => expect(log.at(-1)?.view?.progress).toBe(55));
    again({ initialJob: jobOf({ seq: 2, progress: 20 }) });
    again({ initialJob: jobOf({ seq: 1, progress: 0, status: "waiting" }) });
    expect(log.slice(-2).map(({ view }) => view?.progress)).toEqual([55, 55]);
    stream.event(tick(60));
    await waitFor(() => expect(log.at(-1)?.view?.progress).toBe(60));
  });
});

describe("enabled", () => {
  test("false connects nothing, true connects, false again lets go and keeps what is known", async () => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    const client = apart(server);
    const probe = (enabled: boolean) => <Probe jobId={ID} client={client} log={log} enabled={enabled} />;
    const { rerender } = render(probe(false));
    await server.moment();
    expect(server.asked).toEqual([]);
    expect(log.at(-1)?.connection).toBe("idle");
    rerender(probe(true));
    const stream = (await server.stream()).open().event(waiting(), 1).events(change(2));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("active"));
    rerender(probe(false));
    await stream.closed;
    expect(log.at(-1)).toMatchObject({ connection: "idle", view: { phase: "active" } });
  });

  test("nothing is followed without a job", async () => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    render(<Probe jobId={null} client={apart(server)} log={log} />);
    await server.moment();
    expect(server.asked).toEqual([]);
    expect(log.at(-1)).toEqual({ asked: null, view: null, connection: "idle", error: null });
  });
});

describe("another job", () => {
  test("is never shown by a frame of the one before", async () => {
    const { log, stream, server, again } = await shown();
    stream.events(change(2));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("active"));
    again({ jobId: OTHER });
    stream.events(change(3));
    const second = await server.stream();
    expect(second.asked.path).toBe(`/api/jobs/${OTHER}/events`);
    second.open().event(waiting({ jobId: OTHER }), 1);
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("waiting"));
    again({ jobId: null });
    again({ jobId: ID });
    for (const { asked, view } of log) expect(view?.jobId ?? null).toBe(asked);
    expect(log.find(({ asked }) => asked === OTHER)?.view?.phase).toBe("loading");
    await stream.closed;
  });

  test("nor by an initialJob that is the other one's", async () => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    render(<Probe jobId={OTHER} client={apart(server)} log={log} initialJob={ended()} />);
    expect(log.map(({ view }) => view?.jobId)).not.toContain(ID);
    expect((await server.stream()).asked.path).toBe(`/api/jobs/${OTHER}/events`);
  });
});

describe("initialJob", () => {
  test("is in the first frame, and news goes on from it", async () => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    render(<Probe jobId={ID} client={apart(server)} log={log} initialJob={jobOf({ seq: 1, progress: 7 })} />);
    expect(log[0]?.view).toMatchObject({ phase: "active", progress: 7 });
    (await server.stream())
      .open()
      .event({ ...jobOf({ seq: 1, progress: 7 }), type: "connected" }, 1)
      .events(final(2));
    await waitFor(() => expect(log.at(-1)?.view?.phase).toBe("completed"));
    expect(phases(log)).toEqual(["active", "completed"]);
  });

  test("that has ended connects nothing", async () => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    const settled: unknown[] = [];
    const keep = (view: unknown) => settled.push(view);
    render(<Probe jobId={ID} client={apart(server)} log={log} initialJob={ended()} onSettled={keep} />);
    await server.moment();
    expect(server.asked).toEqual([]);
    expect(log.at(-1)).toMatchObject({ connection: "closed", view: { phase: "completed" } });
    expect(settled).toEqual([]);
  });

  test("that is newer than what another component had left behind is in the first frame too", async () => {
    const { client, log, leave, stream } = await shown();
    leave();
    await stream.closed;
    const later: Frame[] = [];
    render(<Probe jobId={ID} client={client} log={later} initialJob={ended()} />);
    expect(later.map(({ view }) => view?.phase)).not.toContain("waiting");
    expect(log.at(-1)?.view?.phase).toBe("waiting");
  });
});

describe("a refusal", () => {
  test.each([404, 401])("with %i ends it, and is told with its status", async (status) => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    render(<Probe jobId={ID} client={apart(server)} log={log} />);
    (await server.stream()).refuse(status, { code: status === 404 ? "not_found" : "missing_user" });
    await waitFor(() => expect(log.at(-1)?.error).toBeInstanceOf(ProblemError));
    expect(log.at(-1)).toMatchObject({
      connection: "refused",
      error: { status },
      view: { phase: "loading" },
    });
    expect(server.connections).toHaveLength(1);
  });

  test("is asked again when it is enabled anew", async () => {
    const server = await scriptedServer();
    const log: Frame[] = [];
    const client = apart(server);
    const probe = (enabled: boolean) => <Probe jobId={ID} client={client} log={log} enabled={enabled} />;
    const { rerender } = render(probe(true));
    (await server.stream()).refuse(401);
    await waitFor(() => expect(log.at(-1)?.error).not.toBeNull());
    rerender(probe(false));
    await server.moment();
    rerender(probe(true));
    (await server.stream()).open().event(waiting(), 1);
    await waitFor(() => expect(log.at(-1)).toMatchObject({ error: null, view: { phase: "waiting" } }));
  });
});

describe("retry", () => {
  test("follows the new run", async () => {
    const { result, server, log, stream } = await shown();
    stream.events(failed(2));
    await waitFor(() =>
      expect(log.at(-1)).toMatchObject({ connection: "closed", view: { phase: "failed" } }),
    );
    server.route(`POST ${PATH}/retry`, { status: 202, body: secondRun(3) });
    record(server, [change(1), failed(2), change(3, { run: 2, status: "waiting" })], () => secondRun(3));
    await result.current?.retry();
    await waitFor(() => expect(log.at(-1)?.view).toMatchObject({ phase: "waiting", run: 2 }));
    (await server.stream())
      .open()
      .event({ ...secondRun(3), type: "connected" }, 3)
      .events(change(4, { run: 2 }), final(5, { run: 2 }));
    await waitFor(() => expect(log.at(-1)?.view).toMatchObject({ phase: "completed", run: 2 }));
    expect(server.connections).toHaveLength(2);
  });
});

describe("the client", () => {
  test("is the provider's, unless one is given", async () => {
    const [far, near] = [await scriptedServer(), await scriptedServer()];
    render(
      <SnapAssetProvider client={apart(far)}>
        <Probe jobId={ID} />
        <Probe jobId={OTHER} client={apart(near)} />
      </SnapAssetProvider>,
    );
    expect((await far.stream()).asked.path).toBe(STREAM);
    expect((await near.stream()).asked.path).toBe(`/api/jobs/${OTHER}/events`);
    expect(screen.getAllByRole("status")).toHaveLength(2);
  });
});
