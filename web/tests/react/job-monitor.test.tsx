// @vitest-environment happy-dom
import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import axe from "axe-core";
import type { ComponentProps } from "react";
import { describe, expect, test, vi } from "vitest";
import { JobMonitor, jobMonitorMessages } from "../../src/react";
import type { Client, Job } from "../../src/sdk";
import { change, final, ID, jobOf, PATH, picture, RESULT, record, rendered, tick } from "../sdk/made";
import { type Connection, type ScriptedServer, scriptedServer } from "../sdk/scripted-server";
import { apart, ended, failed, failure, OTHER, secondRun, waiting } from "./stage";

interface Monitored {
  server: ScriptedServer;
  client: Client;
  stream: Connection;
  line(): string | null;
  again(props: Partial<ComponentProps<typeof JobMonitor>>): void;
}

/** A monitor whose stream is open, of a job that waits. */
async function monitored(
  props: Partial<ComponentProps<typeof JobMonitor>> = {},
  fields: Partial<Job> = {},
): Promise<Monitored> {
  const server = await scriptedServer();
  const client = apart(server);
  const monitor = (more: typeof props) => <JobMonitor jobId={ID} client={client} {...props} {...more} />;
  const { rerender } = render(monitor({}));
  const stream = (await server.stream()).open().event(waiting(fields), 1);
  const line = () => screen.getByRole("status").textContent;
  await waitFor(() => expect(line()).toBe(props.messages?.phases?.waiting ?? "Waiting for its turn"));
  return { server, client, stream, line, again: (more) => rerender(monitor(more)) };
}

const preview = (index: number) => ({
  ...{ fileId: `p${index}`, url: `/api/files/p${index}`, urlExpiresAt: "", contentType: "image/webp" },
  ...{ size: 1, width: 512, height: 512, index },
});

const step = (seq: number, name: string, state: string, more: object = {}) =>
  change(seq, { step: name, state, ...more } as never);

async function violations(): Promise<string[]> {
  // Colours and landmarks are a page's affair, and there is no layout here.
  const { violations: found } = await axe.run(document.body, {
    rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
  });
  return found.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

describe("a full monitor", () => {
  test("shows what is being done, how far it is, and each step", async () => {
    const { stream, line } = await monitored();
    stream.events(step(2, "generate", "started")).event(tick(42));
    await waitFor(() =>
      expect(screen.getByRole("progressbar", { name: "Progress" }).getAttribute("value")).toBe("42"),
    );
    expect(line()).toBe("Making the picture");
    stream.events(step(3, "generate", "done"), step(4, "render:reel-cover", "started"));
    await waitFor(() => expect(line()).toBe("Cutting reel-cover"));
    const steps = within(screen.getByRole("list", { name: "Steps" })).getAllByRole("listitem");
    expect(steps.map(({ textContent }) => textContent)).toEqual([
      "Making the picture done",
      "Cutting reel-cover under way",
    ]);
    expect(screen.getByRole("article").dataset).toMatchObject({ phase: "active", variant: "full" });
  });

  test("shows the picture as it comes about, and each rendition as it lands", async () => {
    const { stream, client } = await monitored();
    stream.events(change(2, { preview: preview(0) } as never), change(3, { preview: preview(1) } as never));
    const sofar = await screen.findByRole("img", { name: "The picture so far" });
    await waitFor(() => expect(sofar.getAttribute("src")).toBe(client.url("/api/files/p1")));
    expect(sofar.getAttribute("width")).toBe("512");
    stream.events(step(4, "generate", "done", { output: { master: picture("open-graph") } }));
    await waitFor(() => expect(sofar.getAttribute("alt")).toBe("The picture"));
    expect(sofar.isConnected).toBe(true);
    stream.events(
      rendered(5, "reel-cover"),
      step(6, "render:x", "failed", { error: { ...failure, message: "No." } }),
    );
    const list = await screen.findByRole("list", { name: "Pictures for platforms" });
    const link = within(list).getByRole("link", { name: "Picture for reel-cover" });
    expect(link.getAttribute("href")).toBe(client.url("/api/files/f-reel-cover"));
    await waitFor(() => expect(within(list).getByText("x: No.")).toBeTruthy());
  });

  test("shows where a job waits, and for how long", async () => {
    const eta = { startsIn: 20, finishesIn: 41, sampleSize: 9 } as never;
    await monitored({}, { queuePosition: 3, eta });
    expect(screen.getByText("Number 3 in line, done in about 40 s (judged by 9 earlier)")).toBeTruthy();
    expect(screen.getByRole("progressbar").hasAttribute("value")).toBe(false);
  });

  test("says that the next attempt follows, and why", async () => {
    const { stream, line } = await monitored();
    const error = { ...failure, nextAttemptAt: "2026-01-01T00:00:10.000Z" };
    stream.event(
      { ...change(2), ...error, type: "error", status: "delayed", error: failure, attempt: 1 } as never,
      2,
    );
    await waitFor(() =>
      expect(line()).toBe("Attempt 1 of 3 failed and is made again. The provider has failed."),
    );
  });

  test("says why a job failed, and what can be done", async () => {
    const { stream, line } = await monitored();
    stream.events(failed(2, { error: { ...failure, code: "content_policy", message: "It was refused." } }));
    await waitFor(() => expect(line()).toBe("Failed"));
    const told = screen.getByText("It was refused.").parentElement?.textContent;
    expect(told).toBe("It was refused. Change the words of the prompt and send it again. content_policy");
  });

  test("says that news does not come through, and not that the job has failed", async () => {
    const { stream, line } = await monitored();
    stream.drop();
    await waitFor(() => expect(screen.getByText("Reconnecting")).toBeTruthy());
    expect(line()).toBe("Waiting for its turn");
  });

  test("says that a job cannot be shown, and offers nothing", async () => {
    const server = await scriptedServer();
    render(<JobMonitor jobId={ID} client={apart(server)} />);
    (await server.stream()).refuse(404);
    await waitFor(() => expect(screen.getByRole("status").textContent).toBe(jobMonitorMessages.refused));
    expect(screen.queryAllByRole("button")).toEqual([]);
    expect(screen.queryAllByRole("progressbar")).toEqual([]);
  });
});

describe("a compact monitor", () => {
  test("shows a line, its progress and its buttons, and neither steps nor pictures", async () => {
    const { stream, line } = await monitored({ variant: "compact", className: "mine" });
    stream.events(step(2, "generate", "started"), rendered(3, "reel-cover"));
    await waitFor(() => expect(line()).toBe("Cutting reel-cover"));
    expect(screen.queryAllByRole("list")).toEqual([]);
    expect(screen.queryAllByRole("img")).toEqual([]);
    expect(screen.getByRole("progressbar")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Cancel" })).toBeTruthy();
    expect(screen.getByRole("article").classList).toContain("mine");
  });
});

describe("the buttons of a monitor", () => {
  test("cancel a job, and offer to try again what was cancelled", async () => {
    const { server, line } = await monitored();
    const cancelled = { seq: 2, status: "cancelled", finishedAt: "2026-01-01T00:01:00.000Z" } as const;
    server.route(`POST ${PATH}/cancel`, { body: jobOf(cancelled) });
    await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
    await waitFor(() => expect(line()).toBe("Cancelled"));
    expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
    expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
  });

  test("have a job that is under way say that it is being cancelled", async () => {
    const { server, stream, line } = await monitored();
    stream.events(change(2));
    await waitFor(() => expect(line()).toBe("Getting started"));
    server.route(`POST ${PATH}/cancel`, { status: 202, body: jobOf({ seq: 3, cancelRequested: true }) });
    await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
    await waitFor(() => expect(line()).toBe("Cancelling"));
    expect(screen.queryAllByRole("button")).toEqual([]);
  });

  test("begin another run, which is followed to its end", async () => {
    const onSettled = vi.fn();
    const { server, stream, line } = await monitored({ onSettled });
    stream.events(failed(2));
    await waitFor(() => expect(line()).toBe("Failed"));
    server.route(`POST ${PATH}/retry`, { status: 202, body: secondRun(3) });
    record(server, [change(1), failed(2), change(3, { run: 2, status: "waiting" })], () => secondRun(3));
    const again = screen.getByRole("button", { name: "Try again" });
    await userEvent.click(again); // that was on its way to Cancel, whose place it has taken
    expect(again.getAttribute("aria-disabled")).toBe("true");
    expect(server.count(`POST ${PATH}/retry`)).toBe(0);
    await waitFor(() => expect(again.getAttribute("aria-disabled")).toBeNull());
    await userEvent.click(again);
    await waitFor(() => expect(line()).toBe("Waiting for its turn"));
    const second = (await server.stream()).open().event({ ...secondRun(3), type: "connected" }, 3);
    second.events(final(4, { run: 2 }));
    await waitFor(() => expect(line()).toBe("Ready"));
    expect(onSettled).toHaveBeenCalledTimes(2);
  });

  test("do one thing at a time, say what did not get through, and forget it with another job", async () => {
    const { server, again, line } = await monitored();
    let answer = () => {};
    const slow = new Promise<void>((resolve) => {
      answer = resolve;
    });
    server.route(`POST ${PATH}/cancel`, async () => {
      await slow;
      return { status: 503, body: { status: 503, code: "unavailable", detail: "Not just now." } };
    });
    const button = screen.getByRole("button", { name: "Cancel" });
    await userEvent.dblClick(button);
    await waitFor(() => expect(button.getAttribute("aria-disabled")).toBe("true"));
    expect(server.count(`POST ${PATH}/cancel`)).toBe(1);
    answer();
    expect((await screen.findByRole("alert")).textContent).toBe("Not just now.");
    expect(button.getAttribute("aria-disabled")).toBeNull();
    expect(document.activeElement).toBe(button);
    expect(line()).toBe("Waiting for its turn");
    again({ jobId: OTHER });
    expect(line()).toBe("Looking it up");
    (await server.stream()).open().event(waiting({ jobId: OTHER }), 1);
    await screen.findByRole("button", { name: "Cancel" });
    expect(screen.queryByRole("alert")).toBeNull();
  });

  test.each([
    ["as the job ends", () => final(2)],
    ["as the job fails and another stands there", () => failed(2)],
  ])("leave the one who stands on them on the monitor %s", async (_, news) => {
    const { stream } = await monitored();
    screen.getByRole("button", { name: "Cancel" }).focus();
    stream.events(news());
    await waitFor(() => expect(document.activeElement).toBe(screen.getByRole("article")));
  });

  test("take nobody away who is elsewhere", async () => {
    const { stream, line } = await monitored();
    const focus = vi.spyOn(screen.getByRole("article"), "focus");
    stream.events(final(2));
    await waitFor(() => expect(line()).toBe("Ready"));
    expect(focus).not.toHaveBeenCalled();
  });
});

test("every word of a monitor can be another", async () => {
  const phases = { ...jobMonitorMessages.phases, waiting: "Wartet" };
  const standing = (position: number | null) => `Platz ${position}`;
  await monitored({ messages: { phases, standing, cancel: "Abbrechen" } }, { queuePosition: 2 });
  expect(screen.getByText("Platz 2")).toBeTruthy();
  expect(screen.getByRole("button", { name: "Abbrechen" })).toBeTruthy();
});

describe("axe finds nothing in", () => {
  test.each(["full", "compact"] as const)("a %s monitor of a job under way", async (variant) => {
    const { stream, line } = await monitored({ variant }, { queuePosition: 3 });
    expect(await violations()).toEqual([]);
    stream.events(step(2, "generate", "started"), change(3, { preview: preview(0) } as never));
    stream.events(step(4, "render:reel-cover", "started"), rendered(5, "reel-cover"));
    await waitFor(() => expect(line()).toBe("Cutting reel-cover"));
    expect(await violations()).toEqual([]);
  });

  test("a page of several, done and failed", async () => {
    const client = apart(await scriptedServer());
    render([
      <JobMonitor key="a" jobId={ID} client={client} initialJob={ended({ result: RESULT } as never)} />,
      <JobMonitor
        key="b"
        jobId={OTHER}
        client={client}
        initialJob={ended({ jobId: OTHER, status: "failed", error: failure } as never)}
      />,
    ]);
    expect(screen.getAllByRole("article")).toHaveLength(2);
    expect(await violations()).toEqual([]);
  });
});
