/**
 * One job followed to the end of its run, for all who want to know. Events come by a connection that may repeat or lose
 * them; what each subscriber is told is in order and told once. What is missing is read from the job and its timeline,
 * and so is everything while no stream gets through.
 */

import { backoff, createAlarm } from "./backoff";
import { jobPath } from "./http";
import { keepLine, type News } from "./line";
import { askedMs, broken, isRefusal } from "./problem";
import { later, type Setting } from "./setting";
import type { Join } from "./shared";
import type { ConnectionState, DurableEvent, JobEvent, OwnerEvent, SnapshotEvent, Timeline } from "./types";
import { type EndedView, isEnded, type JobView, loadingView, reduce, snapshotOf } from "./view";
import { isOffline } from "./wake";

/** What a subscriber is told, never during the call that subscribes. */
export interface JobListener {
  /** What is known now, and what told it; a state that was read, not told, comes as `connected` with the job itself. */
  onUpdate?: ((view: JobView, event: JobEvent) => void) | undefined;
  /** The run is over; nothing comes after this. */
  onComplete?: ((view: EndedView) => void) | undefined;
  /** It cannot be followed (401, 404 and the like); nothing comes after this. */
  onError?: ((error: Error) => void) | undefined;
  onConnection?: ((state: ConnectionState) => void) | undefined;
}

/** Whether an event is part of that state. The end of a job that had ended when it was first read comes after its state. */
const isPast = ({ seq, type }: DurableEvent, state: { seq: number }): boolean =>
  type === "final" ? seq < state.seq : seq <= state.seq;

/** Adds a subscriber, who is told first what is known already. Gives what takes it away; with the last one it ends. */
export type Subscribe = (listener: JobListener) => () => void;

/**
 * Follows a job by the stream of all jobs, or by one of its own, which begins with the job's state. Who has nothing but a
 * stream's token may not read the job and its timeline.
 */
export function followJob(
  setting: Setting,
  jobId: string,
  token: string,
  join: Join | false,
  closed: () => void,
): Subscribe {
  const { request } = setting.http;
  const path = jobPath(jobId);
  const mayRead = !token;
  const listeners = new Set<JobListener>();
  const again = createAlarm();
  const stop = new AbortController();
  const { signal } = stop;
  let view = loadingView(jobId);
  let line: ConnectionState = "connecting";
  let told: ConnectionState = line;
  let failures = 0;
  let isReading = false;
  let mustRead = false;
  const held: DurableEvent[] = [];

  const tell = (act: (listener: JobListener) => void, whom: Iterable<JobListener> = listeners) => {
    for (const listener of whom) later(setting, () => listeners.has(listener) && act(listener));
  };

  const show = (state: ConnectionState) => {
    if (state !== told) tell((listener) => listener.onConnection?.(state));
    told = state;
  };

  function update(event: JobEvent, next = reduce(view, event)): void {
    if (signal.aborted || (next === view && event.type !== "final")) return;
    view = next;
    tell((listener) => listener.onUpdate?.(next, event));
  }

  function finish(error?: Error): void {
    if (signal.aborted) return;
    close(); // first, so that who subscribes again when told begins anew
    show(error ? "refused" : "closed");
    tell((listener) => (error ? listener.onError?.(error) : listener.onComplete?.(view as EndedView)));
  }

  function close(): void {
    if (signal.aborted) return;
    stop.abort();
    again();
    disconnect();
    closed();
  }

  /** Tells an event, unless it was told. */
  function pass(event: DurableEvent): void {
    if (isPast(event, view)) return;
    update(event);
    if (event.type === "final") finish();
  }

  function onEvent(event: JobEvent | OwnerEvent): void {
    if (signal.aborted || ("jobId" in event && event.jobId !== jobId)) return;
    if (event.type === "connected") {
      if (!("resumedAfter" in event)) void read("status" in event ? event : undefined);
    } else if ("tick" in event) {
      if (!isReading) update(event);
    } else if (isReading || !view.job || (mayRead && event.seq > view.seq + 1)) {
      held.push(event);
      if (!failures) void read();
    } else pass(event);
    if (!failures) goOn();
  }

  /** Reads how the job is, and all events that were not told yet. */
  async function read(given?: SnapshotEvent): Promise<void> {
    mustRead = isReading;
    if (isReading || !(mayRead || given)) return;
    isReading = true;
    const known = held.length;
    try {
      const job = given ?? snapshotOf(await request(path, { signal }));
      const events: DurableEvent[] = [];
      let after: number | null = mayRead && job.seq > Math.max(view.seq, 1) ? view.seq : null;
      while (after !== null) {
        const page: Timeline = await request(`${path}/timeline`, { after, signal });
        events.push(...page.events);
        after = page.nextAfter;
      }
      failures = 0;
      isReading = false;
      take(job, [...events, ...held.splice(0, known)]);
      goOn();
    } catch (error) {
      if (isRefusal(error)) finish(error);
      isReading = false;
      goOn(backoff(++failures) + askedMs(error));
    }
  }

  function take(job: SnapshotEvent, events: readonly DurableEvent[]): void {
    if (!view.job) {
      const past = events.filter((event) => isPast(event, job));
      update(job, reduce(past.reduce(reduce, view), job));
    }
    for (const event of events) pass(event); // what they leave out is in no timeline
    if (job.seq === view.seq) update(job);
    if (mayRead && isEnded(view)) finish();
    held.splice(0).forEach(onEvent); // what came meanwhile
  }

  /** Says how news comes, and asks again where that is needed. */
  function goOn(wait = 0): void {
    if (signal.aborted) return;
    const isPolling = line === "polling";
    show(isPolling && (failures || !mayRead) ? (isOffline() ? "offline" : "reconnecting") : line);
    if (!mayRead) return;
    if (mustRead || failures) again(wait, read);
    else if (isPolling) again(setting.pollMs, read);
    // What is silent for long may be told elsewhere: an active job ticks.
    else again(setting.standingMs * (view.phase === "waiting" ? 1 : 3), read);
  }

  function hear({ state, event, error }: News): void {
    const isOver = state === "closed";
    if (error || (isOver && !mayRead)) {
      finish(error ?? (isEnded(view) ? undefined : broken()));
      return;
    }
    const next = isOver ? "polling" : state; // how the job ended is to be read
    if (next !== line) {
      line = next;
      if (next === "polling" || failures) void read();
      goOn();
    }
    if (event) onEvent(event);
  }

  const right = token && `?token=${encodeURIComponent(token)}`;
  const disconnect = join ? join(hear) : keepLine(setting, `${path}/events${right}`, hear).close;
  if (join) void read();

  return (listener) => {
    const known = view;
    const { job } = known;
    const state = told;
    listeners.add(listener);
    tell(() => listener.onConnection?.(state), [listener]);
    if (job) tell(() => listener.onUpdate?.(known, snapshotOf(job)), [listener]);
    return () => {
      if (listeners.delete(listener) && !listeners.size) close();
    };
  };
}
