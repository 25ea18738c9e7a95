// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";

const ARGS = { prompt: "A lighthouse", platforms: ["instagram-post"] };

/** The keys under which something was sent, in turn. */
const keys: string[] = [];

/** What sends, as a page has it that was loaded just now; a failure is a status, or none at all. */
async function page() {
  vi.resetModules();
  const { handIn } = await import("../../src/app/served/submitting");
  const { ConnectionLost, ProblemError } = await import("../../src/app/served/server");
  return (asked: unknown, failure?: number | "lost") =>
    handIn(asked, async (key) => {
      keys.push(key);
      if (failure === "lost") throw new ConnectionLost("gone");
      if (failure) throw new ProblemError(failure);
      return "a job";
    });
}

beforeEach(() => {
  sessionStorage.clear();
  keys.length = 0;
});
afterEach(() => vi.unstubAllGlobals());

describe("what is handed in", () => {
  it.each([
    ["whose answer was lost", "lost"],
    ["for which the server had no time", 503],
    ["that somebody else on the way refused", 403],
  ] as const)("again after a try %s has the key of that try", async (_, failure) => {
    const send = await page();
    await expect(send(ARGS, failure)).rejects.toThrow();
    await expect(send({ ...ARGS, prompt: "Another" }, failure)).rejects.toThrow();
    expect(await send({ ...ARGS })).toBe("a job");
    expect(keys[2]).toBe(keys[0]);
    expect(keys[1]).not.toBe(keys[0]);
  });

  it("again after a reload has the key of the request that was on its way then", async () => {
    const before = await page();
    await expect(before(ARGS, "lost")).rejects.toThrow();
    const after = await page();
    await after(ARGS);
    expect(keys[1]).toBe(keys[0]);
    const later = await page();
    await later(ARGS);
    expect(keys[2]).not.toBe(keys[0]);
  });

  it("again long after a try whose answer was lost has a key of its own", async () => {
    const send = await page();
    await expect(send(ARGS, "lost")).rejects.toThrow();
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now + 16 * 60_000);
    onTestFinished(() => void vi.restoreAllMocks());
    await send(ARGS);
    expect(keys[1]).not.toBe(keys[0]);
  });

  it("keeps its key though an earlier one's answer comes late", async () => {
    vi.resetModules();
    const { handIn } = await import("../../src/app/served/submitting");
    let late = (_: string) => {};
    const first = handIn(ARGS, () => new Promise<string>((resolve) => (late = resolve)));
    await handIn(ARGS, async () => "a job");
    await expect(handIn(ARGS, async (key) => Promise.reject(keys.push(key)))).rejects.toBe(1);
    late("the same job");
    await first;
    await handIn(ARGS, async (key) => keys.push(key));
    expect(keys[1]).toBe(keys[0]);
  });

  it("anew after a job came of it has a key of its own", async () => {
    const send = await page();
    await send(ARGS);
    await send(ARGS);
    expect(new Set(keys).size).toBe(2);
  });

  it("again after it was found impossible has a key of its own", async () => {
    const send = await page();
    await expect(send(ARGS, 422)).rejects.toThrow();
    await send(ARGS);
    expect(new Set(keys).size).toBe(2);
  });

  it("has its key also where the browser keeps nothing", async () => {
    const forbidden = () => {
      throw new Error("forbidden");
    };
    vi.stubGlobal("sessionStorage", { getItem: forbidden, setItem: forbidden, clear() {} });
    const send = await page();
    await expect(send(ARGS, "lost")).rejects.toThrow();
    await send(ARGS);
    expect(keys).toHaveLength(2);
    expect(keys[1]).toBe(keys[0]);
  });
});
