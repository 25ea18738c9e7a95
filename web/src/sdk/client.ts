/** What a page or a program does with SnapAsset: asks for pictures, follows jobs, steers them, looks at what there is. */

import { within } from "./backoff";
import { createHttp, type HttpOptions, jobPath as job, pathOf } from "./http";
import type { ProblemError } from "./problem";
import { TIMING, type Timing } from "./setting";
import { type SubscribeOptions, subscriptions, type WatchOptions } from "./subscriptions";
import type {
  Generation,
  GenerationList,
  Health,
  ImageGenerationArgs,
  Job,
  JobAccepted,
  JobEvent,
  JobList,
  JobOptions,
  JobStatus,
  Kinds,
  Removal,
  RenditionsArgs,
  Usage,
} from "./types";
import type { EndedView, JobView } from "./view";

export interface ClientOptions extends HttpOptions {
  /**
   * How many connections there are: one for the whole `browser`, one for each `tab`, or one for each job that is followed
   * (`off`). In pages it is `browser`, or `tab` where `headers` or `token` say who asks; elsewhere `off`.
   */
  sharing?: "browser" | "tab" | "off";
  /** Told of what went wrong without ending anything: an event that cannot be read, a callback that threw. */
  onFault?: (error: unknown) => void;
  timing?: Partial<Timing>;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface CreateOptions extends CallOptions {
  options?: JobOptions | undefined;
  /** Who sends the same with the same key again gets the same job. One is made when none is given. */
  idempotencyKey?: string | undefined;
}

export interface PageOptions extends CallOptions {
  cursor?: string | undefined;
  /** Most on one page, up to 100. */
  limit?: number | undefined;
}

export interface ListJobsOptions extends PageOptions {
  status?: JobStatus | readonly JobStatus[] | undefined;
  kind?: string | readonly string[] | undefined;
}

export interface WaitOptions extends CallOptions {
  token?: string | undefined;
}

/** Everything rejects with `ProblemError`, `ConnectionLost`, or the reason of a signal that was given up. */
export interface Client {
  /** Has pictures made. Safe against lost answers: it is sent again a few times, and makes one job. */
  createGenerationJob(args: ImageGenerationArgs, options?: CreateOptions): Promise<JobAccepted>;
  /** The same for any kind of job. */
  createJob(kind: string, data: object, options?: CreateOptions): Promise<JobAccepted>;
  /** Cuts more from a generation's master, which costs nothing. */
  renderGeneration(generationId: string, args: RenditionsArgs, options?: CreateOptions): Promise<JobAccepted>;
  getJob(jobId: string, options?: CallOptions): Promise<Job>;
  listJobs(options?: ListJobsOptions): Promise<JobList>;
  cancelJob(jobId: string, options?: CallOptions): Promise<Job>;
  /** Begins a new run of a job that failed or was cancelled; `cascade`: and of those that failed only because of it. */
  retryJob(jobId: string, options?: CallOptions & { cascade?: boolean | undefined }): Promise<Job>;
  /** Follows a job to the end of its run. The function it gives ends that, and does not cancel the job. */
  subscribeToJobUpdates(jobId: string, options: SubscribeOptions): () => void;
  /** The end of a job's run; one that failed or was cancelled is an end like any other. */
  waitForJob(jobId: string, options?: WaitOptions): Promise<EndedView>;
  /** A job's events up to its end, beginning with its state. Leaving the loop ends the stream. Ticks may be merged. */
  events(jobId: string, options?: WaitOptions): AsyncIterableIterator<JobEvent>;
  /** The news of all the caller's jobs, new ones and new runs among them. */
  watchJobs(options: WatchOptions): () => void;
  listGenerations(options?: PageOptions): Promise<GenerationList>;
  getGeneration(generationId: string, options?: CallOptions): Promise<Generation>;
  /** Undefined when it is gone; a `Removal` when its pictures go later, as the storage is away. */
  deleteGeneration(generationId: string, options?: CallOptions): Promise<Removal | undefined>;
  getKinds(options?: CallOptions): Promise<Kinds>;
  getUsage(options?: CallOptions): Promise<Usage>;
  /** How the service is, also when it says so with a 503. */
  getHealth(options?: CallOptions): Promise<Health>;
  /** An address of the server's as it stands in its answers (`links`, `url`), complete with `baseUrl`. */
  url(path: string): string;
}

export function createClient(options: ClientOptions = {}): Client {
  const isPage = "document" in globalThis;
  const isNamed = options.headers ?? options.token;
  const { sessionId = isPage || isNamed ? "" : secret() } = options;
  const { sharing = !isPage ? "off" : isNamed ? "tab" : "browser" } = options;
  const http = createHttp({ ...options, sessionId });
  const setting = {
    ...TIMING,
    ...options.timing,
    http,
    fault: options.onFault ?? ((error: unknown) => globalThis.reportError?.(error)),
  };
  const [subscribe, watch, renew] = subscriptions(
    setting,
    sharing !== "off",
    sharing === "browser" && `snapasset ${http.url("")} ${sessionId}`,
  );

  const { request } = http;
  const generation = (id: string) => pathOf("generations", id);

  function create(
    path: string,
    data: object,
    { options, idempotencyKey = secret(), signal }: CreateOptions = {},
  ) {
    const send = () =>
      request<JobAccepted>(path, { body: { ...data, options }, idempotencyKey, signal }, "POST");
    return send().catch(async (error: ProblemError) => {
      // A key needs a session, and a browser that comes for the first time has none: a stream brings one.
      if (error.code !== "malformed" || isNamed || sessionId) throw error;
      const attempt = new AbortController();
      const forget = within(setting.firstByteMs, signal, () => attempt.abort());
      await http.open("/api/events", attempt.signal).catch(() => {});
      forget();
      attempt.abort(); // its beginning is enough
      renew(); // what is open hears of the session that was
      return send();
    });
  }

  async function* events(jobId: string, options?: WaitOptions): AsyncGenerator<JobEvent, void> {
    const waiting: JobEvent[] = [];
    let failure: unknown;
    let isOver = false;
    let wake = () => {};
    const end = (error?: unknown) => {
      failure = error;
      isOver = true;
      wake();
    };
    const onUpdate = (_: JobView, event: JobEvent) => {
      // A tick that nobody has taken yet is replaced by the next.
      if ("tick" in event && "tick" in (waiting.at(-1) ?? {})) waiting.pop();
      waiting.push(event);
      wake();
    };
    const stop = subscribe(jobId, { ...options, onUpdate, onComplete: () => end(), onError: end }, end);
    try {
      while (!failure) {
        const event = waiting.shift();
        if (event) yield event;
        else if (isOver) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
      throw failure;
    } finally {
      stop();
    }
  }

  return {
    createGenerationJob: (args, o) => create(job("image-generation"), args, o),
    createJob: (kind, data, o) => create(job(kind), data, o),
    renderGeneration: (id, args, o) => create(`${generation(id)}/renditions`, args, o),
    getJob: (id, o) => request(job(id), o),
    listJobs: (o) => request("/api/jobs", o),
    cancelJob: (id, o) => request(`${job(id)}/cancel`, o, "POST"),
    retryJob: (id, o) => request(`${job(id)}/retry`, o, "POST"),
    subscribeToJobUpdates: subscribe,
    waitForJob: (id, o) =>
      new Promise((onComplete, onError) => {
        subscribe(id, { ...o, onComplete, onError }, onError);
      }),
    events,
    watchJobs: watch,
    listGenerations: (o) => request("/api/generations", o),
    getGeneration: (id, o) => request(generation(id), o),
    deleteGeneration: (id, o) => request(generation(id), o, "DELETE"),
    getKinds: (o) => request("/api/kinds", o),
    getUsage: (o) => request("/api/usage", o),
    getHealth: (o) => request("/health", { ...o, unwell: 503 }),
    url: http.url,
  };
}

/** 192 bits that nobody guesses, as a session's id or a key. */
const secret = () => crypto.getRandomValues(new Uint32Array(6)).join("");
