// The server, as functions. Every failure arrives as a Problem, whatever its cause.

/** What went wrong: RFC 9457's fields as this service fills them. `status` is 0 when no answer came at all. */
export class Problem extends Error {
  constructor({ status, code, title, detail, retryable, errors, requestId }) {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.retryable = Boolean(retryable);
    this.errors = Array.isArray(errors) ? errors : [];
    this.requestId = requestId;
  }
}

const TIMEOUT_MS = 20_000;
const CLOCK_TRUST_MS = 2_000; // the Date header counts whole seconds: a smaller difference says nothing

let clockLead = 0;

/** The server's present, in ms since the epoch, as far as its last answer tells. */
export const serverNow = () => Date.now() + clockLead;

function readClock(response) {
  const lead = Date.parse(response.headers.get("date")) - Date.now();
  if (Number.isFinite(lead)) clockLead = Math.abs(lead) > CLOCK_TRUST_MS ? lead : 0;
}

async function refusal(response) {
  const type = response.headers.get("content-type") || "";
  const body = type.includes("json") ? await response.json().catch(() => null) : null;
  const known = body && typeof body === "object" ? body : {};
  return new Problem({
    code: `http_${response.status}`,
    title: "The server gave an answer this page does not understand.",
    retryable: response.status >= 500 || response.status === 429,
    ...known,
    status: response.status,
  });
}

async function ask(path, { method = "GET", body, cache = "default" } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      cache,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    readClock(response);
    if (!response.ok) throw await refusal(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof Problem) throw error;
    const late = error.name === "TimeoutError";
    throw new Problem({
      status: 0,
      code: late ? "no_answer_in_time" : "server_unreachable",
      title: late ? "The server did not answer in time." : "The server cannot be reached.",
      retryable: true,
    });
  }
}

const job = (id) => `/api/jobs/${encodeURIComponent(id)}`;

/** Where the stream of a job's events is; the events after `after` come first. */
export const eventsUrl = (id, after) => `${job(id)}/events?after=${after}`;

export const kinds = async () => (await ask("/api/kinds")).kinds;
export const submit = (kind, data) => ask(`/api/jobs/${kind}`, { method: "POST", body: data });
export const cancel = (id) => ask(`${job(id)}/cancel`, { method: "POST" });

/** Tries a job again, and with it those that failed only because it had failed. */
export const retry = (id) => ask(`${job(id)}/retry?cascade=true`, { method: "POST" });

/** One job, with its place in the queue. Never from the browser's cache: what is expected changes each second. */
export const look = (id) => ask(job(id), { cache: "no-store" });

/** The caller's jobs of a kind, newest first: {jobs, nextCursor}. `filter`: `limit`, and `status` if only some count. */
export const list = (kind, filter) => ask(`/api/jobs?${new URLSearchParams({ kind, ...filter })}`);

/** All durable events of a job after `after`, in order, however many pages they fill. */
export async function eventsAfter(id, after) {
  const events = [];
  for (let from = after; from !== null && from !== undefined; ) {
    const page = await ask(`${job(id)}/timeline?after=${from}`);
    events.push(...page.events);
    from = page.nextAfter;
  }
  return events;
}

const generation = (id) => `/api/generations/${encodeURIComponent(id)}`;

/** One page of what the caller has made, newest first: {generations, nextCursor}. It outlives the jobs. */
export function madeSoFar(cursor, limit) {
  const query = new URLSearchParams({ limit });
  if (cursor) query.set("cursor", cursor);
  return ask(`/api/generations?${query}`);
}

export const lookAtMade = (id) => ask(generation(id));
export const deleteMade = (id) => ask(generation(id), { method: "DELETE" });

/** Cuts more from what was made, free: answered as any job is. `data`: platforms, and fit and focalPoint if given. */
export const cutAgain = (id, data) => ask(`${generation(id)}/renditions`, { method: "POST", body: data });

/** Where all its pictures are to be had as one file. */
export const zipUrl = (id) => `${generation(id)}/zip`;

/** Where a file is handed over to be kept, instead of being shown. Its address may carry a signature already. */
export const saveUrl = ({ url }) => `${url}${url.includes("?") ? "&" : "?"}download=1`;
