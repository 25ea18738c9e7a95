/**
 * A stream that is kept: begun again where it left off for as long as it is wanted, with pauses that spare the server.
 * One that says nothing for long is given up: the server sends a comment every 15 s. Where no stream gets through it says
 * `polling`, so that others ask instead, and tries a stream again now and then.
 */

import { backoff, createAlarm } from "./backoff";
import { type Frame, type Retry, readStream } from "./event-stream";
import { askedMs, isRefusal, type ProblemError } from "./problem";
import type { Setting } from "./setting";
import type { ConnectionState, JobEvent, OwnerEvent } from "./types";
import { isOffline, onWake } from "./wake";

/** How a line is, told when that changes and with each event. Nothing comes after `closed` and `refused`. */
export interface News {
  readonly state: ConnectionState;
  /** `connected` with neither a status nor `resumedAfter`: something may have been missed. */
  readonly event?: JobEvent | OwnerEvent | undefined;
  readonly id?: string | undefined;
  /** Why it is `refused`. */
  readonly error?: ProblemError | undefined;
}

export type Hear = (news: News) => void;

export interface Line {
  close(): void;
  /** Tries now what was to be tried later; `isAnew`: in any case, and from the beginning, as who is somebody else now. */
  wake(isAnew?: boolean): void;
}

/** Keeps a stream, which goes on after the event that was told last, if there is one. */
export function keepLine(setting: Setting, path: string, hear: Hear, lastId?: string): Line {
  const end = new AbortController();
  const alarm = createAlarm(); // for silence, and at the end of a pause
  let attempt: AbortController;
  let retryMs = 2_000;
  let failures = 0;
  let frames: number;
  let beganAt: number;
  let heardAt: number;
  let isMute = false;
  let wakeUp: (() => void) | undefined;

  function heard(told?: Frame | Retry): void {
    if (attempt.signal.aborted) return;
    heardAt = Date.now();
    beganAt ||= heardAt;
    alarm(setting.idleMs, told ? undefined : giveUp); // an `EventSource` tells nothing but frames: its silence means nothing
    if (!told) return;
    if ("value" in told) retryMs = told.value;
    else take(told);
  }

  function take({ data, id }: Frame): void {
    let event: OwnerEvent = { type: "connected" }; // what cannot be read was missed
    try {
      event = JSON.parse(data);
    } catch (error) {
      setting.fault(error);
    }
    if (id) lastId = id;
    if (frames++) failures = 0; // more than its greeting got through
    isMute = false;
    hear({ state: "live", event, id });
  }

  /** Nothing gets through, or nothing but the beginning: somebody on the way holds the answer back. */
  const isStuck = () => heardAt - beganAt < setting.firstByteMs / 5;

  function giveUp(): void {
    isMute ||= isStuck();
    attempt.abort();
  }

  async function run(): Promise<void> {
    while (!end.signal.aborted) {
      let error: ProblemError | undefined;
      let isMore = true;
      attempt = new AbortController();
      frames = beganAt = heardAt = 0;
      alarm(setting.firstByteMs, giveUp);
      try {
        isMore = await readStream(setting, path, lastId, heard, attempt.signal);
      } catch (cause) {
        error = cause as ProblemError; // if it is not, it has no `retryAfter`
      }
      alarm();
      attempt.abort(); // whatever is left of it
      if (end.signal.aborted) return;
      if (!isMore || isRefusal(error)) {
        close();
        return hear({ state: error ? "refused" : "closed", error });
      }
      if (attempt.signal.reason !== 0) await rest(askedMs(error));
    }
  }

  async function rest(asked: number): Promise<void> {
    if (isStuck()) failures++;
    else failures = 0;
    const wait = heardAt ? retryMs : backoff(failures);
    const more = asked || (isMute ? setting.restMs : 0);
    // After three failures in a row it is time to ask instead.
    hear({ state: isOffline() ? "offline" : isMute || failures > 2 ? "polling" : "reconnecting" });
    await new Promise<void>((resolve) => {
      alarm(wait + more, resolve);
      wakeUp = asked ? undefined : resolve; // whoever says when is not asked sooner
    });
  }

  function wake(isAnew?: boolean): void {
    if (isAnew) lastId = undefined;
    // With a comment each 15 s, one that was silent for longer when its page woke up has died in its sleep. The reason 0
    // has another attempt follow at once.
    if (isAnew || (frames && Date.now() - heardAt > 20_000)) attempt.abort(0);
    wakeUp?.();
  }

  function close(): void {
    alarm();
    end.abort();
    attempt.abort();
  }

  onWake(wake, end.signal);
  void run();
  return { close, wake };
}
