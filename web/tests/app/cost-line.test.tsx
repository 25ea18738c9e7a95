// @vitest-environment happy-dom
import { QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CostLine } from "../../src/app/composer/CostLine";
import type { Draft } from "../../src/app/composer/useDraft";
import { times } from "../../src/app/formats";
import { newQueryClient, useRefresh } from "../../src/app/served/queries";
import type { JobError, JobEstimate } from "../../src/app/served/server";
import { announcer } from "../../src/app/shell/announcer";
import { StudioProvider } from "../../src/app/shell/studio";
import { kind, places } from "./places";

const DRAFT: Draft = {
  prompt: "A lighthouse",
  imageType: "vivid",
  fit: "cover",
  platforms: ["instagram-post", "pinterest-pin"],
};
const EARLIER = "About $0.70";
const UNTOLD = "The price is shown once it is accepted";
const BEFORE = "What it costs is said here before it is sent";

const SPENT: JobError = {
  code: "spend_cap_reached",
  message: "What may be spent today is spent; the next begins at 2026-11-25T00:00:00.000Z.",
  retryable: true,
};

interface Request {
  args: Draft;
  signal: AbortSignal;
  answer: (estimatedCost: number | null, others?: Partial<JobEstimate>) => Promise<void>;
  fail: (status: number) => Promise<void>;
  lose: () => Promise<void>;
}

const requests: Request[] = [];

/** All that is under way, and half a second and more. */
const settle = (ms = 600) => act(() => vi.advanceTimersByTimeAsync(ms));

function take(path: string, { method, body, signal }: RequestInit) {
  expect([method, path]).toEqual(["POST", "/api/jobs/image-generation/estimate"]);
  let resolve!: (response: Response) => void;
  let reject!: (cause: unknown) => void;
  const promise = new Promise<Response>((...ways) => {
    [resolve, reject] = ways;
  });
  const respond = async (response: Response) => {
    resolve(response);
    await settle();
  };
  requests.push({
    args: JSON.parse(String(body)),
    signal: signal as AbortSignal,
    answer: (estimatedCost, others) =>
      respond(Response.json({ estimatedCost, currency: "USD", credits: 0, refusal: null, ...others })),
    fail: (status) => respond(Response.json({}, { status })),
    lose: async () => {
      reject(new TypeError("Failed to fetch"));
      await settle();
    },
  });
  return promise;
}

let refresh: () => void;

/** The line, beside something that tells when a job has begun or ended. */
function Around() {
  refresh = useRefresh();
  return <CostLine />;
}

function show({
  provider = "openai",
  last = 0.7,
  usage = {},
  draft = {} as Partial<Draft>,
  listed = places,
} = {}) {
  const client = newQueryClient();
  client.setDefaultOptions({ queries: { staleTime: Number.POSITIVE_INFINITY } });
  client.setQueryData(["health"], { status: "ok", services: { provider: { name: provider } } });
  client.setQueryData(["usage"], usage);
  // Asked for as the rest is, in vain, when a job has begun or ended.
  client.setQueryDefaults(["jobs"], { enabled: false });
  client.setQueryDefaults(["usage"], { enabled: false });
  client.setQueryData(["jobs", "last"], { jobs: last ? [{ estimatedCost: last }] : [] });
  let now: Draft = { ...DRAFT, ...draft };
  const around = () => (
    <QueryClientProvider client={client}>
      <StudioProvider
        value={{
          ...{ places: listed, kind, draft: now, change() {}, compose() {}, complain() {} },
          submit: () => Promise.resolve(),
        }}
      >
        <Around />
      </StudioProvider>
    </QueryClientProvider>
  );
  const { container, rerender } = render(around());
  return {
    says: () => container.textContent,
    /** What the words stand in: another element is no element that has moved. */
    element: () => container.querySelector("p > span"),
    change: (to: Partial<Draft>) => {
      now = { ...now, ...to };
      rerender(around());
    },
  };
}

function newest(): Request {
  const request = requests.at(-1);
  if (!request) throw new Error("Nothing was asked.");
  return request;
}

beforeEach(() => {
  requests.length = 0;
  vi.useFakeTimers();
  vi.stubGlobal("fetch", vi.fn(take));
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("what it will cost", () => {
  it("is asked of the server and said before anything is sent", async () => {
    const line = show();
    await settle();
    expect(requests.map(({ args }) => args)).toEqual([DRAFT]);
    expect(line.says()).toBe(EARLIER);
    await newest().answer(0.0412);
    expect(line.says()).toBe("About $0.04");
  });

  it("is said beside what may still be spent", async () => {
    const line = show({ usage: { credits: { perPicture: 2, left: 9 }, limit: { leftUsd: 1.5 } } });
    await settle();
    expect(line.says()).toBe(`${EARLIER} · 2 of 9 credits · $1.50 left today`);
    await newest().answer(0.0412, { credits: 3 });
    expect(line.says()).toBe("About $0.04 · 3 of 9 credits · $1.50 left today");
    refresh();
    await settle();
    await newest().answer(0.0412, { credits: 2 });
    expect(line.says()).toBe("About $0.04 · 2 of 9 credits · $1.50 left today");
  });

  it.each([
    [0.004, "Less than $0.01"],
    [0, "Free"],
    [null, "What it will cost cannot be told beforehand"],
  ])("of %s is said as it is", async (estimatedCost, said) => {
    const line = show();
    await settle();
    await newest().answer(estimatedCost);
    expect(line.says()).toBe(said);
  });

  it("is not asked of the painter, whose sketches are free", async () => {
    const line = show({ provider: "sketch" });
    await settle();
    expect(line.says()).toMatch(/^Free: drawn/);
    expect(requests).toEqual([]);
  });

  it.each([{ prompt: " \n" }, { prompt: "x".repeat(41) }, { platforms: [] }])(
    "is not asked of a form that cannot be sent: %j",
    async (draft) => {
      const line = show({ draft, last: 0 });
      await settle();
      expect(requests).toEqual([]);
      expect(line.says()).toBe(BEFORE);
      line.change(DRAFT);
      await settle();
      await newest().answer(0.0412);
      expect(line.says()).toBe("About $0.04");
      line.change(draft);
      expect(line.says()).toBe(BEFORE);
    },
  );

  it("is not guessed at: nothing is said before the first answer, and the catalogue, are there", async () => {
    const line = show({ last: 0, listed: [], draft: { platforms: [] } });
    await settle();
    expect(line.says()).toBe("");
    cleanup();
    const whole = show({ last: 0 });
    expect(whole.says()).toBe("");
    await settle();
    expect(whole.says()).toBe("");
    await newest().answer(0.0412);
    expect(whole.says()).toBe("About $0.04");
  });

  it("is said once it is accepted where there was no answer", async () => {
    const line = show({ last: 0 });
    await settle();
    await newest().lose();
    expect(line.says()).toBe(UNTOLD);
  });

  it("is said in an element of its own for other words, which so has not moved", async () => {
    const line = show();
    const before = line.element();
    expect(before?.textContent).toBe(EARLIER);
    await settle();
    expect(line.element()).toBe(before);
    await newest().answer(0.0412);
    expect(line.element()?.textContent).toBe("About $0.04");
    expect(line.element()).not.toBe(before);
    expect(before?.textContent).toBe(EARLIER);
  });

  it("is not asked again for other words, another fit, or the same places in another order", async () => {
    const line = show();
    await settle();
    await newest().answer(0.0412);
    line.change({ prompt: "A lighthouse at night", fit: "contain" });
    line.change({ platforms: [...DRAFT.platforms].reverse() });
    await settle();
    expect(requests).toHaveLength(1);
    expect(line.says()).toBe("About $0.04");
  });

  it("is asked once for many changes, and known when one comes back to what was asked", async () => {
    const line = show();
    await settle();
    await newest().answer(0.0412);
    for (const platforms of [["instagram-post"], ["instagram-story"], ["facebook-post"]] as const) {
      line.change({ platforms: [...platforms] });
      await settle(200);
    }
    expect(requests).toHaveLength(1);
    expect(line.says()).toBe("About $0.04");
    await settle();
    expect(requests.slice(1).map(({ args }) => args.platforms)).toEqual([["facebook-post"]]);
    await newest().answer(0.0612);
    expect(line.says()).toBe("About $0.06");
    line.change(DRAFT);
    expect(line.says()).toBe("About $0.04");
    await settle();
    expect(requests).toHaveLength(2);
  });

  it("is given up as soon as the form is another", async () => {
    const line = show();
    await settle();
    const { signal, answer } = newest();
    expect(signal.aborted).toBe(false);
    line.change({ platforms: ["facebook-post"] });
    expect(signal.aborted).toBe(true);
    await answer(9);
    expect(line.says()).toBe(EARLIER);
    await newest().answer(0.0612);
    expect(line.says()).toBe("About $0.06");
  });

  it("comes with why it would be refused and what can be done, and is asked anew when a job has ended", async () => {
    const line = show({ usage: { limit: { leftUsd: 0.06 } } });
    await settle();
    await newest().answer(0.35, { refusal: SPENT });
    const then = times.dayAndClock("2026-11-25T00:00:00.000Z");
    const why = `It would be refused. What may be spent today is spent; the next begins at ${then}. Try again tomorrow, or ask whoever runs this server.`;
    expect(line.says()).toBe(`About $0.35 · $0.06 left today${why}`);
    await settle(4_000); // the announcer takes its time
    expect(announcer.said()).toBe(why);
    refresh();
    await settle();
    expect(line.says()).toContain(why);
    await newest().answer(0.35);
    expect(line.says()).toBe("About $0.35 · $0.06 left today");
  });

  it.each<[string, (request: Request) => Promise<void>]>([
    ["refuses", ({ fail }) => fail(422)],
    ["is not well", ({ fail }) => fail(503)],
    ["cannot be reached", ({ lose }) => lose()],
  ])("is what the last one cost when the server %s, and nobody insists", async (_, end) => {
    const line = show();
    await settle();
    await end(newest());
    await settle(60_000);
    expect(line.says()).toBe(EARLIER);
    expect(requests).toHaveLength(1);
  });
});
