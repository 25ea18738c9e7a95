// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  ConnectionLost,
  type ImageGenerationArgs,
  type Job,
  type JobStatusResult,
} from "../../src/app/served/server";
import { StudioProvider } from "../../src/app/shell/studio";
import { WorkActions } from "../../src/app/work/WorkActions";
import { workOf } from "../../src/app/work/work";
import { viewOf } from "../../src/sdk";
import { jobOf } from "../sdk/made";
import { kind, places } from "./places";

const A_MOMENT = 1_000;
const data = { prompt: "A lighthouse", platforms: ["instagram-post"], fit: "cover", seed: 7 };

const sent: ImageGenerationArgs[] = [];
let tryAgain: (() => void) | undefined;
let answer: () => Promise<void>;
const retry = vi.fn(async () => {});
const cancel = vi.fn(async () => {});

function sheet(status: Job["status"]) {
  const view = viewOf(jobOf({ data, status } as Partial<Job>));
  const job: JobStatusResult = { view, connection: "live", error: null, cancel, retry };
  const work = workOf(view, null, null);
  if (!work) throw new Error("There is nothing to be seen of it.");
  const submit = (args: ImageGenerationArgs) => {
    sent.push(args);
    return answer();
  };
  const complain = (_: unknown, again?: () => void) => {
    tryAgain = again;
  };
  const draft = { prompt: "", imageType: "vivid", fit: "cover", platforms: [] } as const;
  const nothing = () => {};
  return (
    <QueryClientProvider client={new QueryClient()}>
      <StudioProvider
        value={{
          ...{ places, kind, submit, complain },
          ...{ draft: { ...draft, platforms: [] }, change: nothing, compose: nothing },
        }}
      >
        <article>
          <h1 tabIndex={-1}>A lighthouse</h1>
          <WorkActions
            work={work}
            job={job}
            cut={{ ...job, view: null }}
            onAdjust={nothing}
            onDelete={nothing}
          />
        </article>
      </StudioProvider>
    </QueryClientProvider>
  );
}

function show(status: Job["status"]) {
  const { rerender } = render(sheet(status));
  return { becomes: (next: Job["status"]) => rerender(sheet(next)) };
}

const button = (name: string) => screen.getByRole("button", { name });
const settled = () => act(() => vi.advanceTimersByTimeAsync(0));

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  sent.length = 0;
  tryAgain = undefined;
  answer = () => Promise.resolve();
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

describe("a variation", () => {
  it("is asked for once, however often its button is pressed meanwhile", async () => {
    let done = () => {};
    answer = () =>
      new Promise((resolve) => {
        done = resolve;
      });
    show("completed");
    fireEvent.click(button("Vary"));
    fireEvent.click(button("Vary"));
    expect(sent).toHaveLength(1);
    done();
    await settled();
    fireEvent.click(button("Vary"));
    expect(sent).toHaveLength(2);
  });

  it("is the same one until it is accepted, then another", async () => {
    answer = () => Promise.reject(new ConnectionLost("gone"));
    const { becomes } = show("completed");
    fireEvent.click(button("Vary"));
    await settled();
    tryAgain?.();
    await settled();
    becomes("completed");
    answer = () => Promise.resolve();
    fireEvent.click(button("Vary"));
    await settled();
    fireEvent.click(button("Vary"));
    await settled();
    const seeds = sent.map(({ seed }) => seed);
    expect(seeds).toHaveLength(4);
    expect(new Set([7, ...seeds.slice(0, 3)]).size).toBe(2);
    expect(seeds[3]).not.toBe(seeds[2]);
  });
});

describe("as a job ends", () => {
  it("a press that was meant for Cancel begins no other run", async () => {
    const { becomes } = show("active");
    const was = button("Cancel");
    becomes("failed");
    expect(button("Try again")).not.toBe(was);
    expect(button("Try again").getAttribute("aria-disabled")).toBe("true");
    fireEvent.click(button("Try again"));
    expect(retry).not.toHaveBeenCalled();
    await act(() => vi.advanceTimersByTimeAsync(A_MOMENT));
    fireEvent.click(button("Try again"));
    expect(retry).toHaveBeenCalledTimes(1);
    expect(cancel).not.toHaveBeenCalled();
  });

  it("nor does one after another run", async () => {
    const { becomes } = show("failed");
    becomes("active");
    becomes("failed");
    fireEvent.click(button("Try again"));
    expect(retry).not.toHaveBeenCalled();
  });

  it("nor does it make a variation, where that has come to stand there", async () => {
    const { becomes } = show("active");
    becomes("completed");
    fireEvent.click(button("Vary"));
    await settled();
    expect(sent).toEqual([]);
    await act(() => vi.advanceTimersByTimeAsync(A_MOMENT));
    fireEvent.click(button("Vary"));
    expect(sent).toHaveLength(1);
  });

  it("one who stands on Cancel comes to stand on the title", () => {
    const { becomes } = show("active");
    button("Cancel").focus();
    becomes("completed");
    expect(document.activeElement).toBe(screen.getByRole("heading"));
  });

  it("one who stands elsewhere stays there", () => {
    const { becomes } = show("active");
    const focus = vi.spyOn(screen.getByRole("heading"), "focus");
    becomes("completed");
    expect(focus).not.toHaveBeenCalled();
  });
});

it("what ended before one came can be tried again at once", () => {
  show("failed");
  fireEvent.click(button("Try again"));
  expect(retry).toHaveBeenCalledTimes(1);
});
