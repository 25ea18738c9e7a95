/** The caller's jobs in a component, newest first, kept up to date by one connection. */

import { useMemo, useSyncExternalStore } from "react";
import type { Client } from "../sdk";
import { useClient } from "./client-context";
import { type JobsFilter, type JobsState, jobsStore, UNREAD } from "./jobs-store";

export interface UseJobsOptions extends JobsFilter {
  /** Whether to read and follow; while it is not, what was known stays. Default true. */
  enabled?: boolean | undefined;
  client?: Client | undefined;
}

export interface JobsResult extends JobsState {
  /** Reads the next page. Never rejects: `error` says why it failed. */
  readonly loadMore: () => Promise<void>;
  /** Reads anew what is shown, also after a refusal. Never rejects. */
  readonly refresh: () => Promise<void>;
}

const nobody = () => () => {};
const unread = () => UNREAD;

/**
 * Lists jobs while the component is mounted; components with the same filter share one list. Who comes for the first time has
 * none, and sees those that are made from then on.
 */
export function useJobs(options: UseJobsOptions = {}): JobsResult {
  const { enabled = true, status, kind, limit } = options;
  const client = useClient(options.client);
  const key = JSON.stringify([status, kind, limit]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: filters of the same content are the same filter
  const store = useMemo(() => jobsStore(client, { status, kind, limit }), [client, key]);
  const state = useSyncExternalStore(enabled ? store.subscribe : nobody, store.read, unread);
  return useMemo(
    () => ({
      ...state,
      isLoading: enabled && state.isLoading,
      connection: enabled ? state.connection : "idle",
      loadMore: store.more,
      refresh: store.refresh,
    }),
    [state, store, enabled],
  );
}
