import { expect, it } from "vitest";
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
