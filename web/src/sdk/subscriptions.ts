/** Who follows what: each job once however many ask, and all of the caller's jobs by one connection where that is better. */

import { onAbort } from "./backoff";
import { type FollowedJob, followJob, type JobListener } from "./follow";
import { type Http, jobPath } from "./http";
import { keepLine, type LineListener, type LineTimes } from "./line";
import { ownerLine } from "./shared";
import type { ConnectionState, OwnerEvent } from "./types";

export interface SubscribeOptions extends JobListener {
  /** Ends the subscription, without a word and without cancelling the job. */
  signal?: AbortSignal | undefined;
  /** The job's `streamToken`: follows it by that alone, as who has no other right to it. */
  token?: string | undefined;
}

export interface WatchOptions {
  /** What comes of any job. `connected` without `resumedAfter`: from here on; what was before is to be listed anew. */
  onEvent(event: OwnerEvent): void;
  onConnection?: ((state: ConnectionState) => void) | undefined;
  /** The server refuses (401 and the like); nothing comes after this. */
  onError?: ((error: Error) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Pauses and bounds, in ms and characters; the defaults suit the server, others are for tests and slow networks. */
export interface Timing extends LineTimes {
  pollMs: number;
  standingMs: number;
  lingerMs: number;
  leaderSilenceMs: number;
}

export interface SubscriptionsOptions {
  http: Http;
  /** Whether each job has a stream of its own, which ends with it. */
  isApart: boolean;
  /** What browsers' tabs that may share a connection have in common. */
  name: string | undefined;
  timing: Partial<Timing> | undefined;
  fault(error: unknown): void;
}

export interface Subscriptions {
  subscribe(jobId: string, options: SubscribeOptions): () => void;
  watch(options: WatchOptions): () => void;
}

const TIMING: Timing = {
  firstByteMs: 5_000,
  idleMs: 45_000,
  longestFrame: 4_000_000,
  restMs: 15_000,
  pollMs: 3_000,
  standingMs: 10_000,
  lingerMs: 1_000,
  leaderSilenceMs: 100_000,
};

/** Of so many jobs is known which event was told last. */
const JOBS_KEPT = 1_000;

export function subscriptions({ http, isApart, name, timing, fault }: SubscriptionsOptions): Subscriptions {
  const times = { ...TIMING, ...timing };
  const followed = new Map<string, FollowedJob>();
  const owner = ownerLine({ http, name, times, fault, ...times });

  const call = (act: () => void) => {
    try {
      act();
    } catch (error) {
      fault(error);
    }
  };

  function follow(jobId: string, token = ""): FollowedJob {
    const key = `${jobId} ${token}`;
    const tellsState = isApart || token !== "";
    const path = `${jobPath(jobId)}/events${token && `?token=${encodeURIComponent(token)}`}`;
    const isHis = (event: OwnerEvent) => event.type === "connected" || event.jobId === jobId;
    const job =
      followed.get(key) ??
      followJob({
        ...{ ...times, http, jobId, tellsState, call, mayRead: !token },
        connect: (hearing: LineListener) =>
          tellsState
            ? keepLine({ http, path, times, fault }, hearing).close
            : owner.join({
                ...hearing,
                event: (event) => isHis(event as OwnerEvent) && hearing.event(event),
              }),
        closed: () => followed.delete(key),
      });
    followed.set(key, job);
    return job;
  }

  function watch({ onEvent, onConnection, onError }: WatchOptions): () => void {
    const told = new Map<string, number>();
    let hasBegun = false;
    let poll: ReturnType<typeof setInterval> | undefined;
    const tell = (event: OwnerEvent) => call(() => onEvent(event));
    const begin = () => {
      hasBegun = true;
      tell({ type: "connected" });
    };
    const leave = owner.join({
      state(state) {
        clearInterval(poll);
        if (state === "polling") poll = setInterval(begin, times.pollMs);
        if (state === "live" && !hasBegun) queueMicrotask(() => hasBegun || begin());
        call(() => onConnection?.(state));
      },
      event(news) {
        const event = news as OwnerEvent;
        if (event.type === "connected" && !(hasBegun && "resumedAfter" in event)) {
          begin();
          return;
        }
        if ("seq" in event) {
          const { jobId, seq } = event;
          if (seq <= (told.get(jobId) ?? 0)) return;
          if (told.size > JOBS_KEPT) told.clear();
          told.set(jobId, seq);
        }
        tell(event);
      },
      over(error) {
        clearInterval(poll);
        call(() => onConnection?.(error ? "refused" : "closed"));
        if (error) call(() => onError?.(error));
      },
    });
    return () => {
      hasBegun = true;
      clearInterval(poll);
      leave();
    };
  }

  /** What begins something until it is called, or the signal is given up. */
  const until = (signal: AbortSignal | undefined, begin: () => () => void) => {
    const end = begin();
    const forget = onAbort(signal, end);
    return () => {
      forget();
      end();
    };
  };

  return {
    subscribe: (jobId, { signal, token, ...listener }) =>
      until(signal, () => follow(jobId, token).add(listener)),
    watch: (options) => until(options.signal, () => watch(options)),
  };
}
