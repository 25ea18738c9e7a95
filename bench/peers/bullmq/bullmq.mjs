// The peer: BullMQ as its documentation shows it, one queue, one worker, no option that it does not ask for.
// Task on stdin, one line: {act, redis: {host, port, db}, …}. Every answer is one line of JSON.
//   put {count}: add that many no-ops. Answer {version}.
//   put {count, log, seconds}: jobs that write "number start|end time" into the log and last so long.
//   rate {perSecond, seconds, first, log, lasts}: add such jobs at these times. Answer {number: when it was added, null: never}.
//   work {concurrency, until}: {ready}, and after `until` no-ops {perSecond}. Runs until stdin ends.
import { appendFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const require = createRequire(join(process.argv[2], "package.json"));
const { Queue, Worker } = require("bullmq");
const NAME = "bench";
const BULK = 1_000;
const PATIENCE_MS = 8_000;

const now = () => (performance.timeOrigin + performance.now()) / 1000;
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const quiet = () => {};

async function put({ count, log, seconds }, connection) {
  const queue = new Queue(NAME, { connection });
  for (let first = 0; first < count; first += BULK) {
    const numbers = Array.from({ length: Math.min(BULK, count - first) }, (_, at) => first + at);
    await queue.addBulk(numbers.map((number) => ({ name: log ? "logged" : "noop", data: log ? { number, log, seconds } : {} })));
  }
  await queue.close();
  say({ version: require("bullmq/package.json").version });
}

async function rate({ perSecond, seconds, first, log, lasts }, connection) {
  const queue = new Queue(NAME, { connection });
  queue.on("error", quiet);
  await queue.waitUntilReady();
  const added = {};
  const begun = performance.now();
  const adding = [];
  for (let at = 0; at < perSecond * seconds; at++) {
    await pause(Math.max(0, begun + (at * 1000) / perSecond - performance.now()));
    const number = first + at;
    const sent = now();
    added[number] = null;
    const add = queue.add("logged", { number, log, seconds: lasts });
    adding.push(add.then(() => (added[number] = sent)).catch(quiet));
  }
  await Promise.race([Promise.all(adding), pause(PATIENCE_MS)]);
  say(added);
  process.exit(0);
}

async function work({ concurrency, until }, connection) {
  let started;
  let left = until;
  const process_ = async (job) => {
    if (job.name === "noop") {
      started ??= performance.now();
      return;
    }
    const { number, log, seconds } = job.data;
    appendFileSync(log, `${number} start ${now()}\n`);
    await pause(seconds * 1000);
    appendFileSync(log, `${number} end ${now()}\n`);
  };
  const worker = new Worker(NAME, process_, { connection, concurrency });
  worker.on("error", quiet);
  worker.on("completed", () => {
    if (--left === 0) say({ perSecond: (until / (performance.now() - started)) * 1000 });
  });
  await worker.waitUntilReady();
  say({ ready: true });
}

const lines = createInterface({ input: process.stdin });
lines.on("close", () => process.exit(0));
lines.once("line", async (line) => {
  const { act, redis, ...task } = JSON.parse(line);
  await { put, rate, work }[act](task, redis);
  if (act === "put") process.exit(0);
});
