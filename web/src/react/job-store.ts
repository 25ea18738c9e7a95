/**
 * One job as React sees it: what is known of it, and how news comes in. However many components show a job, it is followed
 * once, from the first of them to the last; it is not followed while nobody shows it, nor once its run is over.
 */

import {
  type Client,
  type ConnectionState,
  isEnded,
  type Job,
  type JobEvent,
  type JobView,
  loadingView,
  type OwnerEvent,
  reduce,
} from "../sdk";
import { SnapshotStore } from "./snapshot-store";

export interface JobState {
  readonly view: JobView;
  readonly connection: ConnectionState;
  /** Why it is not followed any more, though its run is not over: the server refused. */
  readonly error: Error | null;
}

export class JobStore extends SnapshotStore<JobState> {
  readonly #client: Client;
  readonly #jobId: string;
  #leave: (() => void) | null = null;

  constructor(client: Client, jobId: string) {
    super({ view: loadingView(jobId), connection: "idle", error: null });
    this.#client = client;
    this.#jobId = jobId;
  }

  /** Takes over what a list or a page had of the job, where that is newer than what is known. */
  offer(job: Job): void {
    if (isNewer(job, this.read().view)) this.#adopt(job);
  }

  /** Hears of the job what its own stream does not tell: that another run has begun after the one that was followed. */
  hear(event: Exclude<OwnerEvent, { type: "connected" }>): void {
    const { view } = this.read();
    if (isEnded(view) && event.run > view.run) this.#take(event);
  }

  /** Rejects as `Client.cancelJob` does. */
  async cancel(): Promise<void> {
    this.#adopt(await this.#client.cancelJob(this.#jobId));
  }

  /** Begins a new run and follows it. Rejects as `Client.retryJob` does. */
  async retry(options?: { cascade?: boolean }): Promise<void> {
    this.#adopt(await this.#client.retryJob(this.#jobId, options));
  }

  protected begin(): void {
    if (this.#leave || isEnded(this.read().view)) return;
    this.set({ error: null });
    this.#leave = this.#client.subscribeToJobUpdates(this.#jobId, {
      onUpdate: (view) => this.#see(view),
      onComplete: () => {
        this.#leave = null;
        if (this.isHeld) this.begin(); // another run that is known of by now
      },
      onError: (error) => {
        this.#leave = null;
        this.set({ error });
      },
      onConnection: (connection) => this.set({ connection }),
    });
  }

  protected end(): void {
    this.#leave?.();
    this.#leave = null;
    this.set({ connection: "idle" });
  }

  #adopt(job: Job): void {
    this.#take({ type: "connected", ...job });
  }

  #take(event: JobEvent): void {
    this.#see(reduce(this.read().view, event));
    if (this.isHeld) this.begin();
  }

  #see(view: JobView): void {
    if (view.seq >= this.read().view.seq) this.set({ view });
  }
}

/** Whether a job or view says more than a view of the same job. */
export const isNewer = ({ seq }: { seq: number }, view: JobView): boolean =>
  view.phase === "loading" || seq > view.seq;

const stores = new WeakMap<Client, Map<string, WeakRef<JobStore>>>();

/**
 * The store of a job, the same for all who ask while anybody holds it. Safe in a render that comes to nothing: who does not
 * subscribe leaves nothing behind.
 */
export function jobStore(client: Client, jobId: string): JobStore {
  const known = knownStore(client, jobId);
  if (known) return known;
  const store = new JobStore(client, jobId);
  const ofClient = stores.get(client) ?? new Map<string, WeakRef<JobStore>>();
  for (const [id, reference] of ofClient) if (!reference.deref()) ofClient.delete(id);
  stores.set(client, ofClient.set(jobId, new WeakRef(store)));
  return store;
}

/** The store of a job that somebody holds. */
export const knownStore = (client: Client, jobId: string): JobStore | undefined =>
  stores.get(client)?.get(jobId)?.deref();
