/** What is asked of the server now and then: the catalogue, lists, health, usage. What is live comes by streams. */

import { QueryClient, queryOptions, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { type Kind, ProblemError, server, useJobs } from "./server";

const PAGE = 36;
const CALM_MS = 15_000;
const WATCHFUL_MS = 4_000;
const NOT_ENDED = ["waiting", "delayed", "blocked", "active"] as const;
const USUAL_LIMIT = 4_000;

/** A refusal stays one; what was lost on the way is asked for again. */
const canHeal = (error: Error) =>
  !(error instanceof ProblemError && (error.status < 500 || !error.retryable));

const retry = (failures: number, error: Error) => failures < 2 && canHeal(error);

export const newQueryClient = (): QueryClient =>
  new QueryClient({ defaultOptions: { queries: { retry, staleTime: 10_000, networkMode: "always" } } });

const kinds = queryOptions({
  queryKey: ["kinds"],
  queryFn: () => server.getKinds(),
  staleTime: Number.POSITIVE_INFINITY,
  retry: true,
  retryDelay: 2_000,
});

export const useKinds = () => useQuery(kinds);

export const kindOf = (all: readonly Kind[] | undefined, name: string): Kind | undefined =>
  all?.find(({ kind }) => kind === name);

/** How many characters a prompt may have. */
export function promptLimit(kind: Kind | undefined): number {
  const properties = kind?.schema.properties as { prompt?: { maxLength?: number } } | undefined;
  return properties?.prompt?.maxLength ?? USUAL_LIMIT;
}

export const useHealth = () =>
  useQuery({
    queryKey: ["health"],
    queryFn: () => server.getHealth(),
    retry: false,
    refetchInterval: ({ state }) => (state.error || state.data?.status !== "ok" ? WATCHFUL_MS : CALM_MS),
  });

export const useUsage = () => useQuery({ queryKey: ["usage"], queryFn: () => server.getUsage() });

/** The caller's jobs that have not ended, newest first, live. */
export const useRunningJobs = () => useJobs({ status: NOT_ENDED, limit: 50 });

/** The newest picture job, for what one costs here. */
export const useLastJob = () =>
  useQuery({
    queryKey: ["jobs", "last"],
    queryFn: () => server.listJobs({ kind: "image-generation", limit: 1 }),
    staleTime: 60_000,
  });

/** All that was made, page by page, newest first; asked for until it could be read. */
export const useGenerations = () =>
  useInfiniteQuery({
    queryKey: ["generations"],
    queryFn: ({ pageParam }) =>
      server.listGenerations({ limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }),
    initialPageParam: "",
    getNextPageParam: ({ nextCursor }) => nextCursor,
    refetchInterval: ({ state }) => (state.error && canHeal(state.error) ? WATCHFUL_MS : false),
  });

export const useGeneration = (id: string | null | undefined) =>
  useQuery({
    queryKey: ["generation", id],
    queryFn: () => server.getGeneration(id ?? ""),
    enabled: Boolean(id),
  });

/** Has everything that a job's beginning or end changes asked for anew. */
export function useRefresh(): () => void {
  const client = useQueryClient();
  return useCallback(() => {
    for (const queryKey of [["jobs"], ["generations"], ["generation"], ["usage"], ["estimate"]]) {
      void client.invalidateQueries({ queryKey });
    }
  }, [client]);
}
