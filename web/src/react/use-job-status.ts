/** A job in a component: what is known of it, how news comes in, and what can be done with it. */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import {
  type Client,
  type ConnectionState,
  type EndedView,
  isEnded,
  type Job,
  type JobView,
  loadingView,
  viewOf,
} from "../sdk";
import { useClient } from "./client-context";
import { isNewer, type JobState, jobStore } from "./job-store";

export interface UseJobStatusOptions<T = JobView> {
  /** Whether to follow the job; while it is not followed, what was known of it stays. Default true. */
  enabled?: boolean | undefined;
  /** The job as a list, a loader or the server's own rendering had it: shown until something newer is known. */
  initialJob?: Job | undefined;
  /** What of the view is wanted: news that leaves it as it was (`Object.is`) does not render the component anew. */
  select?: ((view: JobView) => T) | undefined;
  /** Called once for each run that ends or is found ended, but not for one that `initialJob` brought as ended. */
  onSettled?: ((view: EndedView) => void) | undefined;
  client?: Client | undefined;
}

interface Shown<T> {
  /** The view, or what `select` took from it; null without a job. */
  readonly view: T | null;
  /** Apart from the job: a job goes on while its news does not come through. */
  readonly connection: ConnectionState;
  /** The server's refusal to tell of the job: there is none, or it is another's. */
  readonly error: Error | null;
}

export interface JobStatusResult<T = JobView> extends Shown<T> {
  /** Asks that the job be cancelled. Leaving the page or unmounting never does. Rejects as `Client.cancelJob` does. */
  readonly cancel: () => Promise<void>;
  /** Begins a new run of a job that failed or was cancelled. Rejects as `Client.retryJob` does. */
  readonly retry: (options?: { cascade?: boolean }) => Promise<void>;
}

const nobody = () => () => {};
const whole = (view: JobView): unknown => view;
const NOTHING: Shown<never> = { view: null, connection: "idle", error: null };

/**
 * Follows a job while the component is mounted. With `null` or `undefined` it follows nothing. Components that show the same
 * job share one subscription; on a server, and until its page is hydrated, it says what `initialJob` says.
 */
export function useJobStatus<T = JobView>(
  jobId: string | null | undefined,
  options: UseJobStatusOptions<T> = {},
): JobStatusResult<T> {
  const { enabled = true, initialJob, select = whole as (view: JobView) => T, onSettled } = options;
  const client = useClient(options.client);
  const store = useMemo(() => (jobId ? jobStore(client, jobId) : null), [client, jobId]);
  const first = jobId && initialJob?.jobId === jobId ? initialJob : undefined;
  const [settled] = useState(() => new Set<string>());
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was over when this job was first shown
  useEffect(() => {
    if (first?.finishedAt) settled.add(runOf(first));
  }, [store]);
  // Before anything follows the job: one that has ended needs not be followed.
  useEffect(() => {
    if (first) store?.offer(first);
  }, [store, first]);

  const read = useMemo(() => {
    if (!store || !jobId) return { now: () => NOTHING, onServer: () => NOTHING };
    const offered = first && viewOf(first);
    const unread: JobState = { view: offered ?? loadingView(jobId), connection: "idle", error: null };
    const [now, onServer] = [showing(select), showing(select)];
    return {
      now: () => {
        const { view, connection, error } = store.read();
        const newest = offered && isNewer(offered, view) ? offered : view;
        return now({ view: newest, connection: enabled ? connection : "idle", error });
      },
      onServer: () => onServer(unread),
    };
  }, [store, jobId, first, select, enabled]);
  const subscribe = store && enabled ? store.subscribe : nobody;
  const shown = useSyncExternalStore<Shown<T>>(subscribe, read.now, read.onServer);

  const latest = useRef(onSettled);
  useEffect(() => {
    latest.current = onSettled;
  });
  useEffect(() => {
    if (!store || !enabled) return;
    const look = () => {
      const { view } = store.read();
      if (!isEnded(view) || settled.has(runOf(view))) return;
      settled.add(runOf(view));
      queueMicrotask(() => latest.current?.(view)); // whatever it throws is its own affair
    };
    look();
    return store.subscribe(look);
  }, [store, enabled, settled]);

  const cancel = useCallback(async () => store?.cancel(), [store]);
  const retry = useCallback(async (how?: { cascade?: boolean }) => store?.retry(how), [store]);
  return { ...shown, cancel, retry };
}

const runOf = ({ jobId, run }: { jobId: string; run: number }): string => `${jobId} ${run}`;

/** Gives what is shown of a state: the same as before for as long as it would be no other. */
function showing<T>(select: (view: JobView) => T): (state: JobState) => Shown<T> {
  let source: JobView | undefined;
  let last: Shown<T> = NOTHING;
  return ({ view, error, ...state }) => {
    const connection = isEnded(view) ? "closed" : state.connection;
    const selected = source === view ? (last.view as T) : select(view);
    const isSame = source && Object.is(selected, last.view) && connection === last.connection;
    if (!isSame || error !== last.error) last = { view: selected, connection, error };
    source = view;
    return last;
  };
}
