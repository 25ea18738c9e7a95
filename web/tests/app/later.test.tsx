// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { type ReactNode, Suspense } from "react";
import { MemoryRouter } from "react-router";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Gallery } from "../../src/app/gallery/Gallery";
import { Studio } from "../../src/app/Studio";
import { newQueryClient } from "../../src/app/served/queries";
import { ConnectionLost, type Generation, type JobStatusResult, server } from "../../src/app/served/server";
import { Later, later } from "../../src/app/shell/Later";
import { StudioProvider } from "../../src/app/shell/studio";
import { WorkSheet } from "../../src/app/work/WorkSheet";
import { workOf } from "../../src/app/work/work";
import { kind, places } from "./places";

const GONE = "This part of the page could not be fetched.";
const gone = vi.hoisted(
  () => () => Promise.reject(new TypeError("Failed to fetch dynamically imported module")),
);

vi.mock("../../src/app/dialogs/Help", gone);
vi.mock("../../src/app/gallery/Empty", gone);
vi.mock("../../src/app/work/WorkPage", gone);
vi.mock("../../src/app/adjuster/Adjuster", gone);
vi.mock("../../src/app/dialogs/Viewer", gone);
vi.mock("../../src/app/dialogs/Deleting", gone);

const page = (content: ReactNode, client = new QueryClient(), at = "/") =>
  render(
    <QueryClientProvider client={client}>
      <MemoryRouter initialEntries={[at]}>{content}</MemoryRouter>
    </QueryClientProvider>,
  );

function nothingMade() {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  client.setQueryData(["generations"], { pages: [{ generations: [], nextCursor: null }], pageParams: [""] });
  return client;
}

const made = {
  generationId: "g1",
  jobId: "j1",
  createdAt: "2026-01-01T12:00:00.000Z",
  status: "completed",
  request: { prompt: "a lighthouse", platforms: ["instagram-post"], fit: "cover", seed: 0 },
  made: null,
  master: { fileId: "m", url: "/m", width: 8, height: 8, bytes: 8, contentType: "image/jpeg" },
  thumbnail: null,
  images: [
    {
      platform: "instagram-post",
      fileId: "f",
      url: "/f",
      status: "completed",
      width: 8,
      height: 8,
      bytes: 8,
      contentType: "image/jpeg",
    },
  ],
} as unknown as Generation;

/** The sheet of what was made, whose job is long gone. */
function Sheet() {
  const work = workOf(null, made, null);
  const idle = { view: null, connection: "idle", error: null } as JobStatusResult;
  const nothing = () => {};
  const draft = { prompt: "", imageType: "vivid", fit: "cover", platforms: [] } as const;
  const studio = { places, kind, draft: { ...draft, platforms: [] }, change: nothing, compose: nothing };
  return (
    <StudioProvider value={{ ...studio, submit: async () => {}, complain: nothing }}>
      {work && <WorkSheet work={work} job={idle} cut={idle} onCut={nothing} />}
    </StudioProvider>
  );
}

beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // React tells of what a boundary caught
  vi.stubGlobal("fetch", () => new Promise(() => {}));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("a part whose script is gone", () => {
  it("is told of in its place, with a way on, while the rest goes on", async () => {
    const Part = later<object>(gone);
    page(
      <>
        <Suspense>
          <Later>
            <Part />
          </Later>
        </Suspense>
        <p>The rest</p>
      </>,
    );
    const told = await screen.findByRole("alert");
    expect(told.textContent).toContain(GONE);
    expect(told.textContent).toContain("the page was renewed meanwhile");
    const reload = vi.spyOn(location, "reload").mockImplementation(() => {});
    await userEvent.click(screen.getByRole("button", { name: "Load the page again" }));
    expect(reload).toHaveBeenCalledOnce();
    expect(screen.getByText("The rest")).toBeTruthy();
  });

  it("is not what is said of a part that came and then failed", async () => {
    const Part = later<object>(async () => () => {
      throw new Error("a fault of ours");
    });
    page(
      <Suspense>
        <Later>
          <Part />
        </Later>
      </Suspense>,
    );
    expect((await screen.findByRole("alert")).textContent).toContain("This part of the page failed.");
  });

  it("may be the picture of a first visit", async () => {
    page(<Gallery without={null} welcome />, nothingMade());
    expect((await screen.findByRole("alert")).textContent).toContain(GONE);
  });

  it("may be the help: the form stays, and what is said is put away", async () => {
    page(<Studio />, newQueryClient());
    await userEvent.click(screen.getByRole("button", { name: "Help and keys" }));
    const told = await screen.findByRole("alertdialog", { name: GONE });
    expect(screen.getByLabelText("The picture")).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Close" }));
    expect(told.isConnected).toBe(false);
    expect(screen.getByLabelText("The picture")).toBeTruthy();
  });

  it("may be the page of a job: the form stays", async () => {
    page(<Studio />, newQueryClient(), "/jobs/01890000-0000-7000-8000-000000000000");
    expect((await screen.findByRole("alert")).textContent).toContain(GONE);
    expect(screen.getByLabelText("The picture")).toBeTruthy();
  });

  it.each(["Instagram post, open large", "Adjust", "Delete"])(
    "may be what lies over the sheet, which stays: %s",
    async (name) => {
      page(<Sheet />);
      await userEvent.click(screen.getByRole("button", { name, hidden: true }));
      await screen.findByRole("alertdialog", { name: GONE });
      await userEvent.click(screen.getByRole("button", { name: "Close" }));
      expect(screen.queryByRole("alertdialog")).toBeNull();
      expect(screen.getByRole("heading", { name: "a lighthouse" })).toBeTruthy();
    },
  );
});

describe("what was made before", () => {
  it("is read by itself once it can be, and the failure stays said until then", async () => {
    vi.useFakeTimers();
    const listed = vi.spyOn(server, "listGenerations").mockRejectedValue(new ConnectionLost("away"));
    page(<Gallery without={null} welcome={false} />, newQueryClient());
    const failure = () => screen.queryByText(/could not be read/);
    await act(() => vi.advanceTimersByTimeAsync(3_500));
    expect(failure()).not.toBeNull();
    await act(() => vi.advanceTimersByTimeAsync(4_500));
    expect(listed.mock.calls.length).toBeGreaterThan(3);
    expect(failure()).not.toBeNull();
    listed.mockResolvedValue({ generations: [], nextCursor: null });
    await act(() => vi.advanceTimersByTimeAsync(10_000));
    expect(failure()).toBeNull();
  });
});
