/** What everything goes by that keeps up with the server. */

import type { Http } from "./http";

/** Pauses and bounds, in ms and characters; the defaults suit the server, others are for tests and slow networks. */
export interface Timing {
  /** How long silence is borne: at the beginning of a stream, and later. */
  firstByteMs: number;
  idleMs: number;
  /** Pause before a stream is tried again where none got through; more is added with each failure. */
  restMs: number;
  /** Pauses between questions: where no stream gets through, and for the place in the queue (3 times that where a job is silent). */
  pollMs: number;
  standingMs: number;
  /** How long the connection for all jobs outlives its last listener. */
  lingerMs: number;
  /** How long the tab that reads for all may take to answer another. */
  leaderSilenceMs: number;
}

export const TIMING: Timing = {
  firstByteMs: 5_000,
  idleMs: 45_000,
  restMs: 15_000,
  pollMs: 3_000,
  standingMs: 10_000,
  lingerMs: 1_000,
  leaderSilenceMs: 2_000,
};

export interface Setting extends Timing {
  http: Http;
  /** Told of what went wrong without ending anything. */
  fault(error: unknown): void;
}

/** Calls back somebody who may throw: in the order of calls, and never during this one. */
export const later = ({ fault }: Setting, act: () => unknown): void =>
  queueMicrotask(() => {
    try {
      act();
    } catch (error) {
      fault(error);
    }
  });
