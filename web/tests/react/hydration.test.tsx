// @vitest-environment happy-dom
import { screen, waitFor } from "@testing-library/react";
import { type ReactNode, StrictMode } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { expect, onTestFinished, test, vi } from "vitest";
import { JobMonitor } from "../../src/react";
import type { Client } from "../../src/sdk";
import { change, final, ID, jobOf } from "../sdk/made";
import { scriptedServer } from "../sdk/scripted-server";
import { apart, ended, Probe, shown } from "./stage";

/** A page that was rendered elsewhere, as `there` says, and is hydrated here; what React had to mend. */
function hydrated(element: ReactNode, there = element): unknown[] {
  const mended: unknown[] = [];
  const page = document.createElement("div");
  page.innerHTML = renderToString(there);
  document.body.append(page);
  const root = hydrateRoot(page, <StrictMode>{element}</StrictMode>, {
    onRecoverableError: (error) => mended.push(error),
  });
  onTestFinished(() => {
    root.unmount();
    page.remove();
  });
  return mended;
}

test("a page that was rendered on a server is taken over as it is, and goes on", async () => {
  const server = await scriptedServer();
  const job = jobOf({ seq: 1, progress: 7 });
  const mended = hydrated(<JobMonitor jobId={ID} client={apart(server)} initialJob={job} />);
  const stream = (await server.stream()).open().event({ ...job, type: "connected" }, 1);
  stream.events(change(2, { step: "generate", state: "started" }));
  await waitFor(() => expect(screen.getByRole("status").textContent).toBe("Making the picture"));
  stream.events(final(3));
  await waitFor(() => expect(screen.getByRole("status").textContent).toBe("Ready"));
  expect(mended).toEqual([]);
  expect(server.connections).toHaveLength(1);
});

test("so is one of a place far behind in the line, which is written the same everywhere", async () => {
  const server = await scriptedServer();
  const job = jobOf({ seq: 1, status: "waiting", queuePosition: 12_345 });
  const local = vi.spyOn(Number.prototype, "toLocaleString");
  const mended = hydrated(<JobMonitor jobId={ID} client={apart(server)} initialJob={job} />);
  await waitFor(() => expect(screen.getByText("Number 12,345 in line")).toBeTruthy());
  for (const [locale] of local.mock.calls) expect(locale).toBe("en");
  expect(mended).toEqual([]);
});

test("also where the page knows more of the job by then", async () => {
  const { client, stream, log, server } = await shown();
  stream.events(final(2));
  await waitFor(() => expect(log.at(-1)?.connection).toBe("closed"));
  const probe = (asking: Client) => (
    <Probe jobId={ID} client={asking} initialJob={jobOf({ seq: 1, progress: 3 })} />
  );
  const mended = hydrated(probe(client), probe(apart(server)));
  await waitFor(() =>
    expect(screen.getAllByRole("status").map(({ textContent }) => textContent)).toEqual([
      "completed 20",
      "completed 20",
    ]),
  );
  expect(mended).toEqual([]);
});

test("and one of a job that has ended asks nothing", async () => {
  const server = await scriptedServer();
  const mended = hydrated(<JobMonitor jobId={ID} client={apart(server)} initialJob={ended()} />);
  await waitFor(() => expect(screen.getByRole("status").textContent).toBe("Ready"));
  await server.moment();
  expect(server.asked).toEqual([]);
  expect(mended).toEqual([]);
});
