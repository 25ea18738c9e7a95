/**
 * A stream that is kept: begun again where it left off for as long as it is wanted, with pauses that spare the server.
 * Where no stream gets through it says `polling`, so that others ask instead, and tries a stream again now and then.
 */

import { backoff } from "./backoff";
import { type Patience, readStream } from "./event-stream";
import type { Http } from "./http";
import { isRefusal, type ProblemError } from "./problem";
import type { ConnectionState, JobEvent, OwnerEvent } from "./types";
import { isOffline, onWake } from "./wake";

export interface LineListener {
  state(state: ConnectionState): void;
  /** `connected` with neither a status nor `resumedAfter`: something may have been missed. */
  event(event: JobEvent | OwnerEvent, id?: string): void;
  /** It is over: refused with an error, or there is nothing more to come. */
  over(error?: ProblemError): void;
}

export interface Line {
  close(): void;
  /** Tries now what was to be tried later. */
  wake(): void;
}

export interface LineOptions {
  http: Http;
  path: string;
  /** The event to go on after. */
  lastId?: string | undefined;
  times: LineTimes;
  /** Told of frames that cannot be read. */
  fault(error: unknown): void;
}

export interface LineTimes extends Patience {
  /** Pause before a stream is tried again where none got through, in ms; more is added with each failure. */
  restMs: number;
}

/** After so many failures in a row it is time to ask instead. */
const FAILURES = 3;
/** With a comment each 15 s, a stream that was silent for longer when its page woke up has died in its sleep. */
const STALE_MS = 20_000;
const LONGEST_SECONDS = 300;

export function keepLine({ http, path, lastId, times, fault }: LineOptions, on: LineListener): Line {
  let isClosed = false;
  let retryMs = 2_000;
  let failures = 0;
  let frames = 0;
  let isMute = false;
  let heardAt = 0;
  let attempt: AbortController;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wakeUp = () => {};

  const listener = {
    frame(data: string, id: string | undefined) {
      if (attempt.signal.aborted) return;
      let event: OwnerEvent = { type: "connected" }; // what cannot be read was missed
      try {
        event = JSON.parse(data);
      } catch (error) {
        fault(error);
      }
      if (id) lastId = id;
      if (frames++)
        failures = 0; // more than its greeting got through
      else on.state("live");
      isMute = false;
      on.event(event, id);
    },
    retry(ms: number) {
      retryMs = ms;
    },
    alive() {
      heardAt = Date.now();
    },
    mute() {
      isMute = true;
    },
  };

  async function run(): Promise<void> {
    on.state("connecting");
    while (!isClosed) {
      let wait = 0;
      let asked: number | undefined;
      attempt = new AbortController();
      const { signal } = attempt;
      frames = 0;
      try {
        if (!(await readStream(http, path, lastId, listener, times, signal))) return finish();
        failures = frames ? 0 : failures + 1;
        wait = retryMs;
      } catch (error) {
        if (signal.aborted) continue;
        if (isRefusal(error)) return finish(error);
        failures++;
        asked = (error as Partial<ProblemError>).retryAfter;
        wait = frames ? retryMs : backoff(failures, retryMs / 2);
        wait += asked ? Math.min(asked, LONGEST_SECONDS) * 1_000 : isMute ? times.restMs : 0;
      }
      if (isClosed) return;
      on.state(isOffline() ? "offline" : isMute || failures >= FAILURES ? "polling" : "reconnecting");
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, wait);
        wakeUp = asked ? () => {} : resolve; // whoever says when is not asked sooner
      });
    }
  }

  function wake(): void {
    if (frames && Date.now() - heardAt > STALE_MS) attempt.abort();
    wakeUp();
  }

  function close(): void {
    isClosed = true;
    forget();
    clearTimeout(timer);
    attempt.abort();
  }

  function finish(error?: ProblemError): void {
    if (isClosed) return;
    close();
    on.over(error);
  }

  const forget = onWake(wake);
  void run();
  return { close, wake };
}
