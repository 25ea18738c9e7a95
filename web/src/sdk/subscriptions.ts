/** Who follows what: each job once however many ask, and all of the caller's jobs by one connection where that is better. */

import { createAlarm, onAbort } from "./backoff";
import { followJob, type JobListener, type Subscribe } from "./follow";
import { later, type Setting } from "./setting";
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

export type Subscriptions = [
  /** `givenUp` is told the reason of the signal. */
  subscribe: (jobId: string, options: SubscribeOptions, givenUp?: (reason: unknown) => void) => () => void,
  watch: (options: WatchOptions) => () => void,
  /** The caller has another session from now on. */
  renew: () => void,
];

/** Each job has a stream of its own where nothing is shared; tabs share one that have the same name. */
export function subscriptions(setting: Setting, isShared: boolean, name: string | false): Subscriptions {
  const followed = new Map<string, Subscribe>();
  const [join, renew] = ownerLine(setting, name);

  function follow(jobId: string, token = ""): Subscribe {
    const key = `${jobId} ${token}`;
    const job =
      followed.get(key) ??
      followJob(setting, jobId, token, isShared && !token && join, () => followed.delete(key));
    followed.set(key, job);
    return job;
  }

  function watch({ onEvent, onConnection, onError }: WatchOptions): () => void {
    const told = new Map<string, number>();
    const poll = createAlarm();
    let line: ConnectionState | undefined;
    let hasBegun = false;
    let isOver = false;
    const tell = (act: () => void) => later(setting, () => isOver || act());
    const again = () => poll(setting.pollMs, line === "polling" ? begin : undefined);
    const begin = () => {
      hasBegun = true;
      again();
      tell(() => onEvent({ type: "connected" }));
    };
    const leave = join(({ state, event, error }) => {
      if (state !== line) {
        line = state;
        again();
        tell(() => onConnection?.(state));
      }
      if (error) {
        leave();
        tell(() => onError?.(error));
      }
      const isFresh = event?.type === "connected" && !("resumedAfter" in event);
      if (isFresh || (state === "live" && !hasBegun)) begin();
      if (!event || isFresh) return;
      if ("seq" in event) {
        const { jobId, seq } = event;
        if (seq <= (told.get(jobId) ?? 0)) return;
        told.set(jobId, seq);
      }
      tell(() => onEvent(event as OwnerEvent));
    });
    return () => {
      isOver = true;
      poll();
      leave();
    };
  }

  /** What ends something is done by a signal too, whose reason is told. */
  const until = (
    { signal }: SubscribeOptions | WatchOptions,
    end: () => void,
    givenUp?: (reason: unknown) => void,
  ) => {
    const forget = onAbort(signal, () => {
      end();
      givenUp?.(signal?.reason);
    });
    return () => {
      forget();
      end();
    };
  };

  return [
    // A copy, as who subscribes twice with the same is told twice.
    (jobId, options, givenUp) => until(options, follow(jobId, options.token)({ ...options }), givenUp),
    (options) => until(options, watch(options)),
    renew,
  ];
}
