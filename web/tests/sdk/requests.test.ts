/** Requests: what they carry, what comes of their answers, and which are repeated. */

import { expect, test } from "vitest";
import { ConnectionLost, createClient, ProblemError } from "../../src/sdk";
import { clientOf, jobOf, PATH } from "./made";
import { type Answer, type Asked, scriptedServer } from "./scripted-server";

const ARGS = { prompt: "a lighthouse", platforms: ["reel-cover" as const] };
const CREATE = "POST /api/jobs/image-generation";
const ACCEPTED = { jobId: "j1", status: "waiting", streamToken: "t", estimatedCost: 0, links: {} };

/** Gives one answer after the other, the last one for ever, and keeps what was asked. */
function inTurn(...answers: Answer[]): [(asked: Asked) => Answer, Asked[]] {
  const kept: Asked[] = [];
  const answer = (asked: Asked) => {
    kept.push(asked);
    return (answers.length > 1 ? answers.shift() : answers[0]) ?? {};
  };
  return [answer, kept];
}

const keysOf = (asked: readonly Asked[]) => new Set(asked.map(({ headers }) => headers["idempotency-key"]));

test("a job is created with a key of its own", async () => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn({ status: 202, body: ACCEPTED });
  server.route(CREATE, answer);
  const client = clientOf(server);
  expect(await client.createGenerationJob(ARGS, { options: { priority: "high" } })).toEqual(ACCEPTED);
  await client.createGenerationJob(ARGS);
  expect(asked[0]?.body).toEqual({ ...ARGS, options: { priority: "high" } });
  expect(asked[1]?.body).toEqual(ARGS);
  expect(keysOf(asked).size).toBe(2);
  expect([...keysOf(asked)].every((key) => /^[0-9]{30,}$/.test(String(key)))).toBe(true);
});

test("a lost answer is asked for again with the same key", async () => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn(
    { drop: true },
    { text: "<html>" },
    { status: 502 },
    { status: 202, body: ACCEPTED },
  );
  server.route(CREATE, answer);
  expect(await clientOf(server).createGenerationJob(ARGS)).toEqual(ACCEPTED);
  expect(asked).toHaveLength(4);
  expect(keysOf(asked).size).toBe(1);
});

test("nobody is asked for ever", async () => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn({ drop: true });
  server.route(CREATE, answer);
  await expect(clientOf(server).createGenerationJob(ARGS)).rejects.toBeInstanceOf(ConnectionLost);
  expect(asked).toHaveLength(5);
});

test.each([429, 503])("Retry-After of a %s is waited for", async (status) => {
  const server = await scriptedServer();
  const [answer] = inTurn({ status, headers: { "retry-after": "0.2" } }, { status: 202, body: ACCEPTED });
  server.route(CREATE, answer);
  const since = Date.now();
  await clientOf(server).createGenerationJob(ARGS);
  expect(Date.now() - since).toBeGreaterThanOrEqual(195);
});

test.each<[string, Answer]>([
  [
    "is far away",
    { status: 429, headers: { "retry-after": "3600" }, body: { code: "spend_cap_reached", retryable: true } },
  ],
  ["would not help", { status: 422, body: { code: "invalid_prompt", retryable: false } }],
])("what %s is told at once", async (_, refusal) => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn(refusal);
  server.route(CREATE, answer);
  await expect(clientOf(server).createGenerationJob(ARGS)).rejects.toMatchObject({ status: refusal.status });
  expect(asked).toHaveLength(1);
});

test("a problem says all that the server said", async () => {
  const server = await scriptedServer();
  const errors = [{ field: "prompt", message: "is empty" }];
  const body = {
    code: "invalid_input",
    detail: "The input is not valid.",
    retryable: false,
    requestId: "r9",
    errors,
  };
  server.route(CREATE, { status: 422, body });
  const error = await clientOf(server)
    .createGenerationJob(ARGS)
    .catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ProblemError);
  const { errors: fields, ...said } = body;
  expect(error).toMatchObject({ ...said, status: 422, fields, message: body.detail, name: "ProblemError" });
});

test("an answer that is none of the service's is a problem too", async () => {
  const server = await scriptedServer();
  server.route(`GET ${PATH}`, { status: 502, text: "<h1>Bad gateway</h1>" });
  await expect(clientOf(server).getJob("01980000-0000-7000-8000-000000000001")).rejects.toMatchObject({
    ...{ status: 502, code: "http_502", retryable: true },
  });
});

test("what has no key is sent once", async () => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn({ drop: true });
  server.route(`POST ${PATH}/cancel`, answer);
  await expect(clientOf(server).cancelJob("01980000-0000-7000-8000-000000000001")).rejects.toBeInstanceOf(
    ConnectionLost,
  );
  expect(asked).toHaveLength(1);
});

test("a first-time visitor of a page gets a session before a key is used", async () => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn(
    { status: 400, body: { code: "malformed" } },
    { status: 202, body: ACCEPTED },
  );
  server.route(CREATE, answer);
  server.script = (stream) => stream.open();
  const client = clientOf(server, { sessionId: "" });
  expect(await client.createGenerationJob(ARGS)).toEqual(ACCEPTED);
  expect(keysOf(asked).size).toBe(1);
  expect(server.count("GET /api/events")).toBe(1);
  await server.connections[0]?.closed;
});

test("a session is not waited for where somebody on the way holds streams back", async () => {
  const server = await scriptedServer();
  const [answer, asked] = inTurn(
    { status: 400, body: { code: "malformed" } },
    { status: 400, body: { code: "malformed" } },
  );
  server.route(CREATE, answer);
  const client = clientOf(server, { sessionId: "", timing: { firstByteMs: 50 } });
  await expect(client.createGenerationJob(ARGS)).rejects.toMatchObject({ code: "malformed" });
  expect(asked).toHaveLength(2);
  await server.connections[0]?.closed;
});

test("who asks is said as the options say, anew each time", async () => {
  const server = await scriptedServer();
  server.route("GET /api/kinds", { body: { kinds: [] } });
  let turn = 0;
  await clientOf(server, {
    token: () => `t${++turn}`,
    headers: async () => ({ "x-from": "app" }),
  }).getKinds();
  const named = clientOf(server, { token: () => `t${++turn}`, sessionId: "s".repeat(22) });
  await named.getKinds();
  await named.getKinds();
  expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([
    "Bearer t1",
    "Bearer t2",
    "Bearer t3",
  ]);
  expect(server.asked[0]?.headers).toMatchObject({ "x-from": "app" });
  expect(server.asked[0]?.headers).not.toHaveProperty("x-session-id");
  expect(server.asked[1]?.headers).toMatchObject({ "x-session-id": "s".repeat(22) });
});

test("outside of pages a client has a session of its own", async () => {
  const server = await scriptedServer();
  server.route("GET /api/kinds", { body: { kinds: [] } });
  const [first, second] = [clientOf(server), clientOf(server)];
  await first.getKinds();
  await first.getKinds();
  await second.getKinds();
  const [a, b, c] = server.asked.map(({ headers }) => headers["x-session-id"]);
  expect(a).toMatch(/^[A-Za-z0-9_-]{22,128}$/);
  expect(a).toBe(b);
  expect(a).not.toBe(c);
});

test("lists are asked for with what is given", async () => {
  const server = await scriptedServer();
  server.route("GET /api/jobs", { body: { jobs: [], nextCursor: null } });
  await clientOf(server).listJobs({ status: ["active", "waiting"], limit: 5, cursor: undefined });
  expect(Object.fromEntries(server.asked[0]?.query ?? [])).toEqual({ status: "active,waiting", limit: "5" });
});

test("every other thing has its address", async () => {
  const server = await scriptedServer();
  const client = clientOf(server, { baseUrl: `${server.url}/` });
  const calls = [
    ["POST /api/jobs/j%201/retry", () => client.retryJob("j 1", { cascade: true })],
    ["GET /api/generations", () => client.listGenerations({ limit: 2 })],
    ["GET /api/generations/g1", () => client.getGeneration("g1")],
    ["DELETE /api/generations/g1", () => client.deleteGeneration("g1")],
    [
      "POST /api/generations/g1/renditions",
      () => client.renderGeneration("g1", { platforms: ["reel-cover"] }),
    ],
    ["POST /api/jobs/file-cleanup", () => client.createJob("file-cleanup", { type: "all" })],
    ["GET /api/usage", () => client.getUsage()],
    ["GET /health", () => client.getHealth()],
  ] as const;
  for (const [name, call] of calls) {
    server.route(name, { body: { name } });
    expect(await call()).toEqual({ name });
  }
  expect(server.asked[0]?.query.get("cascade")).toBe("true");
  server.route("DELETE /api/generations/g1", { status: 204 });
  expect(await client.deleteGeneration("g1")).toBeUndefined();
  expect(client.url("/api/files/f1?s=1")).toBe(`${server.url}/api/files/f1?s=1`);
});

test("the service's health is told also when it is bad", async () => {
  const server = await scriptedServer();
  server.route("GET /health", { status: 503, body: { status: "down" } });
  expect(await clientOf(server).getHealth()).toEqual({ status: "down" });
});

test.each(["before it is sent", "while it is under way", "between two attempts"])(
  "a request is given up %s",
  async (when) => {
    const server = await scriptedServer();
    const giveUp = new AbortController();
    const reason = new Error("enough");
    const [answer] = inTurn(
      when === "between two attempts" ? { status: 503, headers: { "retry-after": "20" } } : { hang: true },
    );
    server.route(CREATE, (asked) => {
      setTimeout(() => giveUp.abort(reason), 20);
      return answer(asked);
    });
    if (when === "before it is sent") giveUp.abort(reason);
    await expect(clientOf(server).createGenerationJob(ARGS, { signal: giveUp.signal })).rejects.toBe(reason);
    expect(server.asked).toHaveLength(when === "before it is sent" ? 0 : 1);
  },
);

test("a job can be had by a fetch of the caller's", async () => {
  const urls: unknown[] = [];
  const fetch = async (url: unknown) => {
    urls.push(url);
    return Response.json(jobOf());
  };
  const client = createClient({ baseUrl: "https://api.example", fetch: fetch as typeof globalThis.fetch });
  expect(await client.getJob("j1")).toEqual(jobOf());
  expect(urls).toEqual(["https://api.example/api/jobs/j1"]);
});
