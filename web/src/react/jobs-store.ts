/**
 * The caller's jobs as React sees them: a list that was read page by page, kept up to date by the news of all jobs. New jobs
 * come in at the top, those that no longer fit the filter go. No job of a list tells its place in line: nobody keeps it up to date.
 */

import {
  type Client,
  type ConnectionState,
  isRefusal,
  type Job,
  type JobStatus,
  type JobView,
  type OwnerEvent,
  reduce,
  viewOf,
} from "../sdk";
import { knownStore } from "./job-store";
import { SnapshotStore } from "./snapshot-store";

export interface JobsFilter {
  status?: JobStatus | readonly JobStatus[] | undefined;
  kind?: string | readonly string[] | undefined;
  /** Jobs a page, up to 100. Default 50. */
  limit?: number | undefined;
}

export interface JobsState {
  /** Newest first. */
  readonly jobs: readonly JobView[];
  /** True until the first page is there, or could not be read. */
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly connection: ConnectionState;
  /** Why the list could not be read the last time, or is not followed any more. */
  readonly error: Error | null;
}

export const UNREAD: JobsState = {
  jobs: [],
  isLoading: true,
  hasMore: false,
  connection: "idle",
  error: null,
};

const PAGE = 50;
/** After at least so long a list that could not be read is tried again, in ms. */
const AGAIN_MS = 5_000;

export class JobsStore extends SnapshotStore<JobsState> {
  readonly #client: Client;
  readonly #filter: JobsFilter;
  #leave: (() => void) | null = null;
  #cursor: string | null = null;
  #reading: AbortController | null = null;
  #paging: Promise<void> | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  /** Jobs of which something came since the list was last asked for: it may not have them yet. */
  readonly #recent = new Set<string>();
  /** Jobs that are being read alone, with the newest seq that is known of them. */
  readonly #sought = new Map<string, number>();
  /** Jobs that were read and are not in the list: of another kind, or older than what was read of it. */
  readonly #elsewhere = new Set<string>();

  constructor(client: Client, filter: JobsFilter) {
    super(UNREAD);
    this.#client = client;
    this.#filter = filter;
  }

  /** Reads as many jobs anew as are known, a page at least, and follows them again after a refusal. Never rejects. */
  readonly refresh = (): Promise<void> => {
    if (this.isHeld) this.#watch();
    return this.#read();
  };

  /** Reads the next page, where there is one. Never rejects. */
  readonly more = (): Promise<void> => {
    this.#paging ??= this.#next().finally(() => {
      this.#paging = null;
    });
    return this.#paging;
  };

  protected begin(): void {
    if (!this.#leave) void this.refresh(); // at once: the stream, which has it read again, may not get through
  }

  protected end(): void {
    this.#leave?.();
    this.#leave = null;
    this.#stopReading();
    this.set({ connection: "idle" });
  }

  #watch(): void {
    this.#leave ??= this.#client.watchJobs({
      onEvent: (event) => this.#hear(event),
      onConnection: (connection) => this.set({ connection }),
      onError: (error) => {
        this.#leave = null;
        this.#stopReading();
        this.set({ error, isLoading: false });
      },
    });
  }

  async #read(): Promise<void> {
    this.#stopReading();
    this.#recent.clear();
    this.#elsewhere.clear();
    const reading = new AbortController();
    const { signal } = reading;
    this.#reading = reading;
    const wanted = this.read().jobs.length;
    const found: Job[] = [];
    let cursor: string | null = null;
    try {
      do {
        const page = await this.#page(cursor, signal);
        found.push(...page.jobs);
        cursor = page.nextCursor;
      } while (cursor && found.length < wanted);
    } catch (error) {
      if (this.#reading === reading) this.#fail(error as Error);
      return;
    }
    if (this.#reading === reading) this.#show(found, cursor);
  }

  #show(found: readonly Job[], cursor: string | null): void {
    this.#reading = null;
    const { jobs } = this.read();
    const known = new Map(jobs.map((view) => [view.jobId, view]));
    const ids = new Set(found.map(({ jobId }) => jobId));
    const recent = jobs.filter(({ jobId }) => this.#recent.has(jobId) && !ids.has(jobId));
    this.#cursor = cursor;
    this.set({
      jobs: this.#listed([...recent, ...found.map((job) => merged(known.get(job.jobId), job))]),
      ...{ isLoading: false, hasMore: cursor !== null, error: null },
    });
  }

  #fail(error: Error): void {
    this.#reading = null;
    this.set({ error, isLoading: false });
    const ms = AGAIN_MS * (1 + Math.random());
    if (this.isHeld && !isRefusal(error)) this.#again = setTimeout(() => void this.#read(), ms);
  }

  #stopReading(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#reading?.abort();
    this.#reading = null;
  }

  async #next(): Promise<void> {
    const cursor = this.#cursor;
    if (!cursor) return;
    try {
      const page = await this.#page(cursor);
      if (this.#cursor !== cursor) return; // the list was read anew, and goes on elsewhere
      const { jobs } = this.read();
      const known = new Set(jobs.map(({ jobId }) => jobId));
      const added = page.jobs.filter(({ jobId }) => !known.has(jobId)).map((job) => merged(undefined, job));
      this.#cursor = page.nextCursor;
      this.#elsewhere.clear();
      this.set({ jobs: this.#listed([...jobs, ...added]), hasMore: page.nextCursor !== null });
    } catch (error) {
      this.set({ error: error as Error });
    }
  }

  #page(cursor: string | null, signal?: AbortSignal) {
    const { limit = PAGE, ...filter } = this.#filter;
    return this.#client.listJobs({ ...filter, limit, cursor: cursor ?? undefined, signal });
  }

  #hear(event: OwnerEvent): void {
    if (event.type === "connected") {
      // While it is asked for every few seconds, an answer that takes longer is waited for.
      if (!("resumedAfter" in event || (this.#reading && this.read().connection === "polling")))
        void this.#read();
      return;
    }
    const { jobId } = event;
    const seq = "seq" in event ? event.seq : 0;
    if (seq) knownStore(this.#client, jobId)?.hear(event);
    const view = this.read().jobs.find((known) => known.jobId === jobId);
    if (view && seq <= view.seq + 1) this.#put(reduce(view, event));
    else if (view || (seq && fits(this.#filter.status, event.status))) void this.#seek(jobId, seq);
  }

  /** Reads a job that is not in the list yet, or of which news was missed. */
  async #seek(jobId: string, seq: number): Promise<void> {
    const sought = this.#sought;
    const isSought = sought.has(jobId);
    if (this.#elsewhere.has(jobId)) return;
    sought.set(jobId, Math.max(seq, sought.get(jobId) ?? 0));
    if (isSought) return;
    try {
      let job: Job;
      let least: number | undefined;
      do {
        least = sought.get(jobId);
        job = await this.#client.getJob(jobId);
      } while (sought.get(jobId) !== least && job.seq < (sought.get(jobId) ?? 0));
      this.#put(
        merged(
          this.read().jobs.find((known) => known.jobId === jobId),
          job,
        ),
      );
    } catch (error) {
      if (isRefusal(error)) this.set({ jobs: this.read().jobs.filter((known) => known.jobId !== jobId) });
      else if (this.isHeld) void this.#read();
    } finally {
      sought.delete(jobId);
    }
  }

  #put(view: JobView): void {
    const { jobId, job } = view;
    const { jobs, hasMore } = this.read();
    const last = jobs.at(-1);
    this.#recent.add(jobId);
    if (jobs.some((known) => known.jobId === jobId))
      this.set({ jobs: this.#listed(jobs.map((known) => (known.jobId === jobId ? view : known))) });
    else if (!fits<string>(this.#filter.kind, job?.kind) || (hasMore && last && newestFirst(last, view) < 0))
      this.#elsewhere.add(jobId);
    else this.set({ jobs: this.#listed([...jobs, view]) });
  }

  /** What there is to show of some jobs: those that fit, in order; the list that is shown when it is no other. */
  #listed(views: readonly JobView[]): readonly JobView[] {
    const { status, kind } = this.#filter;
    const { jobs } = this.read();
    const next = views
      .filter(({ job }) => fits(status, job?.status) && fits<string>(kind, job?.kind))
      .sort(newestFirst);
    return next.length === jobs.length && next.every((view, place) => view === jobs[place]) ? jobs : next;
  }
}

const fits = <T>(wanted: T | readonly T[] | undefined, value: T | undefined): boolean =>
  wanted === undefined || value === undefined || [wanted].flat().includes(value);

const merged = (view: JobView | undefined, told: Job): JobView => {
  const job = { ...told, queuePosition: null, eta: null }; // told of a job that is read alone, and old at the next one's start
  return view ? reduce(view, { type: "connected", ...job }) : viewOf(job);
};

const newestFirst = (a: JobView, b: JobView): number => (ageOf(a) < ageOf(b) ? 1 : -1);

const ageOf = ({ job, jobId }: JobView): string => `${job?.createdAt} ${jobId}`;

const stores = new WeakMap<Client, Map<string, WeakRef<JobsStore>>>();

/** The store of the jobs that a filter lets through, the same for all who ask while anybody holds it. */
export function jobsStore(client: Client, filter: JobsFilter): JobsStore {
  const key = JSON.stringify([filter.status, filter.kind, filter.limit]);
  const ofClient = stores.get(client) ?? new Map<string, WeakRef<JobsStore>>();
  const known = ofClient.get(key)?.deref();
  if (known) return known;
  const store = new JobsStore(client, filter);
  for (const [id, reference] of ofClient) if (!reference.deref()) ofClient.delete(id);
  stores.set(client, ofClient.set(key, new WeakRef(store)));
  return store;
}
