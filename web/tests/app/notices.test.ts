import { describe, expect, it } from "vitest";
import { ConnectionLost, type Health, ProblemError } from "../../src/app/served/server";
import { noticesOf } from "../../src/app/shell/notices";

type Services = Health["services"];

const well = {
  database: { status: "ok", name: "SQLite" },
  storage: { status: "ok", name: "folder" },
  provider: { status: "ok", name: "sketch", model: "sketch-1" },
  redis: { status: "ok" },
  queues: { imageGeneration: { waiting: 0, active: 0, delayed: 0, blocked: 0, workers: 1, paused: false } },
} satisfies Services;

const told = (change: Partial<Services>) => {
  const health = { status: "degraded", services: { ...well, ...change } } as Health;
  return noticesOf(health, null, true);
};

it("says nothing while all is well, or where Redis is not wanted", () => {
  expect(told({})).toEqual([]);
  expect(told({ redis: { status: "not configured" } })).toEqual([]);
});

it("says in plain words that Redis is away and that nothing is lost", () => {
  const [notice] = told({ redis: { status: "down" } });
  expect(notice?.level).toBe("warn");
  expect(`${notice?.title} ${notice?.text}`).toMatch(
    /Redis.* is away\. .*made all the same, and nothing is lost/,
  );
});

it("says only that the record is away when it is, as all else follows from it", () => {
  const found = told({ database: { status: "down", name: "SQLite" }, redis: { status: "down" } });
  expect(found.map(({ key, level }) => [key, level])).toEqual([["database", "bad"]]);
});

it("tells why the queue is paused in the server's own words", () => {
  const queue = {
    waiting: 3,
    active: 0,
    delayed: 0,
    blocked: 0,
    workers: 1,
    paused: true,
    why: "The key is refused.",
  };
  expect(told({ queues: { imageGeneration: queue } })[0]?.text).toBe("The key is refused.");
});

it("tells being offline from a server that is away, and takes a proxy's answer for the latter", () => {
  const keys = (error: Error, online: boolean) => noticesOf(undefined, error, online).map(({ key }) => key);
  expect(keys(new ConnectionLost("gone"), false)).toEqual(["offline"]);
  expect(keys(new ConnectionLost("gone"), true)).toEqual(["serverAway"]);
  expect(keys(new ProblemError(502), true)).toEqual(["serverAway"]);
});

describe("somebody between the browser and the server", () => {
  const login = new ConnectionLost("unread", { cause: new SyntaxError("Unexpected token <") });
  const keys = (error: Error | null, others: unknown[] = []) =>
    noticesOf({ status: "ok", services: well as Services } as Health, error, true, others).map(
      ({ key }) => key,
    );

  it("who answers the questions to the API is told of, though the health is well", () => {
    expect(keys(null, [null, login])).toEqual(["between"]);
    expect(keys(login, [login])).toEqual(["between"]);
    expect(keys(null, [new ProblemError(407)])).toEqual(["between"]);
    expect(keys(new ProblemError(403))).toEqual(["between"]);
    expect(noticesOf(undefined, null, false, [login]).map(({ key }) => key)).toEqual(["offline"]);
  });

  it("is none where the service itself says no, or a gateway that it is away", () => {
    expect(keys(null, [new ProblemError(404, { code: "not_found" })])).toEqual([]);
    expect(keys(new ProblemError(401, { code: "missing_user" }))).toEqual([]);
    expect(keys(null, [new ConnectionLost("lost", { cause: new TypeError("Failed to fetch") })])).toEqual([]);
    expect(keys(null, [new ProblemError(503)])).toEqual([]);
    expect(keys(login)).toEqual(["serverAway"]); // a gateway's 503, with a page of its own
    expect(keys(new ProblemError(502), [login])).toEqual(["serverAway"]);
  });
});
