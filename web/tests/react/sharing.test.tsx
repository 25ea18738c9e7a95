// @vitest-environment happy-dom
import { render, screen, waitFor } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { describe, expect, test, vi } from "vitest";
import { useJobStatus } from "../../src/react";
import type { Client, EndedView } from "../../src/sdk";
import { change, clientOf, final, ID, jobOf, PATH, record, tick } from "../sdk/made";
import { scriptedServer } from "../sdk/scripted-server";
import { apart, ended, type Frame, failed, OTHER, Probe, secondRun, shown, waiting } from "./stage";

describe("StrictMode", () => {
  test("makes one subscription, and tells an end once", async () => {
    const server = await scriptedServer();
    const client = apart(server);
    const subscribe = vi.spyOn(client, "subscribeToJobUpdates");
    const onSettled = vi.fn();
    const { unmount } = render(
      <StrictMode>
        <Probe jobId={ID} client={client} onSettled={onSettled} />
      </StrictMode>,
    );
    (await server.stream()).open().event(waiting(), 1).events(final(2));
    await waitFor(() => expect(screen.getByRole("status").textContent).toBe("completed 20"));
    expect(subscribe).toHaveBeenCalledTimes(1);
    expect(server.connections).toHaveLength(1);
    expect(onSettled).toHaveBeenCalledTimes(1);
    unmount();
  });

  test("does not tell of a job that initialJob brought as ended", async () => {
    const server = await scriptedServer();
    const onSettled = vi.fn();
    render(
      <StrictMode>
        <Probe jobId={ID} client={apart(server)} initialJob={ended()} onSettled={onSettled} />
      </StrictMode>,
    );
    await server.moment();
    expect(onSettled).not.toHaveBeenCalled();
    expect(server.asked).toEqual([]);
  });
});

describe("ten components that show one job", () => {
  const ten = (client: Client, count = 10) =>
    [..."abcdefghij"].slice(0, count).map((name) => <Probe key={name} jobId={ID} client={client} />);

  test("share one subscription, which ends with the last of them", async () => {
    const server = await scriptedServer();
    const client = apart(server);
    const subscribe = vi.spyOn(client, "subscribeToJobUpdates");
    const { rerender } = render(ten(client));
    const stream = (await server.stream()).open().event(waiting(), 1).events(change(2));
    await waitFor(() => {
      for (const probe of screen.getAllByRole("status")) expect(probe.textContent).toBe("active 20");
    });
    rerender(ten(client, 1));
    await server.moment();
    expect(stream.isClosed).toBe(false);
    rerender(ten(client, 0));
    await stream.closed;
    expect(subscribe).toHaveBeenCalledTimes(1);
    expect(server.connections).toHaveLength(1);
  });

  test("keep it when one is replaced by another at once", async () => {
    const server = await scriptedServer();
    const client = apart(server);
    const { rerender } = render(<Probe key="a" jobId={ID} client={client} />);
    const stream = (await server.stream()).open().event(waiting(), 1);
    await waitFor(() => expect(screen.getByRole("status").textContent).toBe("waiting 0"));
    rerender(<Probe key="b" jobId={ID} client={client} />);
    expect(screen.getByRole("status").textContent).toBe("waiting 0");
    await server.moment();
    expect(stream.isClosed).toBe(false);
    expect(server.connections).toHaveLength(1);
  });
});

test("components that show several jobs share one connection in a page", async () => {
  const server = await scriptedServer();
  const client = clientOf(server, { sharing: "tab" });
  for (const jobId of [ID, OTHER])
    server.route(`GET /api/jobs/${jobId}`, { body: jobOf({ jobId, seq: 1, status: "waiting" }) });
  render([<Probe key="a" jobId={ID} client={client} />, <Probe key="b" jobId={OTHER} client={client} />]);
  const stream = await server.stream();
  expect(stream.asked.path).toBe("/api/events");
  const texts = () => screen.getAllByRole("status").map(({ textContent }) => textContent);
  await waitFor(() => expect(texts()).toEqual(["waiting 0", "waiting 0"]));
  stream.open().event({ type: "connected" }, "0-1");
  stream.event(change(2), "0-2").event(final(2, { jobId: OTHER }), "0-3");
  await waitFor(() => expect(texts()).toEqual(["active 20", "completed 20"]));
  expect(server.connections).toHaveLength(1);
});

describe("select", () => {
  function Chosen<T>({ client, log, select }: { client: Client; log: T[]; select: (view: never) => T }) {
    const { view } = useJobStatus(ID, { client, select: select as never });
    log.push(view as T);
    return null;
  }

  test("renders anew only when what it takes is another", async () => {
    const server = await scriptedServer();
    const client = apart(server);
    const log: boolean[] = [];
    const seen: Frame[] = [];
    const isActive = ({ phase }: { phase: string }) => phase === "active";
    render([
      <Chosen key="chosen" client={client} log={log} select={isActive} />,
      <Probe key="all" jobId={ID} client={client} log={seen} />,
    ]);
    const stream = (await server.stream()).open().event(waiting(), 1).events(change(2));
    await waitFor(() => expect(log.at(-1)).toBe(true));
    const frames = log.length;
    for (let progress = 21; progress < 30; progress++) {
      stream.event(tick(progress));
      await waitFor(() => expect(seen.at(-1)?.view?.progress).toBe(progress));
    }
    expect(log).toHaveLength(frames);
    stream.events(final(3));
    await waitFor(() => expect(log.at(-1)).toBe(false));
    await server.moment();
    expect(log).toHaveLength(frames + 1);
  });

  test("written in place, and making another object each time, does not loop", async () => {
    const server = await scriptedServer();
    const client = apart(server);
    let renders = 0;
    function Inline(): ReactNode {
      const { view } = useJobStatus(ID, {
        client,
        select: ({ phase, progress }) => ({ phase, progress }),
        onSettled: () => {},
      });
      renders++;
      return <output>{`${view?.phase} ${view?.progress}`}</output>;
    }
    render(<Inline />);
    const stream = (await server.stream()).open().event(waiting(), 1).events(change(2));
    await waitFor(() => expect(screen.getByRole("status").textContent).toBe("active 20"));
    await stream.apart(":\n\n");
    expect(renders).toBeLessThan(10);
  });
});

describe("onSettled", () => {
  test("is called once a run, and again after another one", async () => {
    const ends: EndedView[] = [];
    const { result, server, stream, again } = await shown({ onSettled: (view) => ends.push(view) });
    stream.events(failed(2));
    await waitFor(() => expect(ends).toHaveLength(1));
    again({ onSettled: (view) => ends.push(view) });
    again({ onSettled: (view) => ends.push(view), initialJob: jobOf({ seq: 1, status: "waiting" }) });
    await server.moment();
    expect(ends).toHaveLength(1);

    server.route(`POST ${PATH}/retry`, { status: 202, body: secondRun(3) });
    record(server, [change(1), failed(2), change(3, { run: 2, status: "waiting" })], () => secondRun(3));
    await result.current?.retry();
    (await server.stream())
      .open()
      .event({ ...secondRun(3), type: "connected" }, 3)
      .events(final(4, { run: 2 }));
    await waitFor(() => expect(ends).toHaveLength(2));
    await server.moment();
    expect(ends.map(({ phase, run }) => [phase, run])).toEqual([
      ["failed", 1],
      ["completed", 2],
    ]);
  });

  test("is called for a job that is found ended, and not again when it is shown again", async () => {
    const ends: EndedView[] = [];
    const keep = (view: EndedView) => ends.push(view);
    const { again, stream, server } = await shown({ onSettled: keep });
    stream.events(final(2));
    await waitFor(() => expect(ends).toHaveLength(1));
    again({ onSettled: keep, jobId: null });
    again({ onSettled: keep });
    await server.moment();
    expect(ends).toHaveLength(1);
  });

  test("that is another by then is the one that is called", async () => {
    const [early, late] = [vi.fn(), vi.fn()];
    const { again, stream } = await shown({ onSettled: early });
    again({ onSettled: late });
    stream.events(final(2));
    await waitFor(() => expect(late).toHaveBeenCalledTimes(1));
    expect(early).not.toHaveBeenCalled();
  });

  test("is called where initialJob brings the end of a job that was shown before", async () => {
    const onSettled = vi.fn();
    const { again, stream } = await shown({ onSettled });
    again({ onSettled, initialJob: ended() });
    await waitFor(() => expect(onSettled).toHaveBeenCalledTimes(1));
    stream.events(final(2));
  });
});
