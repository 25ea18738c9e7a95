/**
 * One job followed to the end of its run, for all who want to know. Events come by a connection that may repeat or lose
 * them; what each subscriber is told is in order and told once. What is missing is read from the job and its timeline,
 * and so is everything while no stream gets through.
 */

import { backoff, createAlarm } from "./backoff";
import { jobPath } from "./http";
import { keepLine, type News } from "./line";
import { broken, isRefusal, type ProblemError } from "./problem";
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

/** Adds a subscriber, who is told first what is known already. Gives what takes it away; with the last one it ends. */
export type Subscribe = (listener: JobListener) => () => void;

/**
 * Follows a job by the stream of all jobs, or by one of its own, which begins with the job's state. Who has nothing but a
 * stream's token may not read the job and its timeline.
 */
export function followJob(
  setting: Setting,
  jobId: string,
  stream: string,
  mayRead: boolean,
  join: Join | undefined,
  closed: () => void,
): Subscribe {
  const { http } = setting;
  const path = jobPath(jobId);
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
  let held: DurableEvent[] = [];

  const tell = (listener: JobListener, act: (listener: JobListener) => void) =>
    later(setting, () => listeners.has(listener) && act(listener));

  const each = (act: (listener: JobListener) => void) => {
    for (const listener of listeners) tell(listener, act);
  };

  const show = (state: ConnectionState) => {
    if (state !== told) each((listener) => listener.onConnection?.(state));
    told = state;
  };

  function update(event: JobEvent, next = reduce(view, event)): void {
    if (next === view && event.type !== "final") return;
    view = next;
    each((listener) => listener.onUpdate?.(next, event));
  }

  function finish(error?: Error): void {
    if (signal.aborted) return;
    close(); // first, so that who subscribes again when told begins anew
    show(error ? "refused" : "closed");
    each((listener) => (error ? listener.onError?.(error) : listener.onComplete?.(view as EndedView)));
  }

  function close(): void {
    if (signal.aborted) return;
    stop.abort();
    again();
    disconnect();
    closed();
  }

  /** Tells an event, unless it was told. The end of a job that had ended when it was first read comes after its state. */
  function pass(event: DurableEvent): void {
    const isEnd = event.type === "final";
    if (signal.aborted || event.seq < view.seq + (isEnd ? 0 : 1)) return;
    update(event);
    if (isEnd) finish();
  }

  function onEvent(event: JobEvent | OwnerEvent): void {
    if ("jobId" in event && event.jobId !== jobId) return;
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
    mustRead = isReading && mayRead;
    if (isReading || !(mayRead || given)) return;
    isReading = true;
    const known = held.length;
    let wait = 0;
    try {
      const job = given ?? snapshotOf(await http.request("GET", path, { signal }));
      const events: DurableEvent[] = [];
      let after: number | null = mayRead && job.seq > Math.max(view.seq, 1) ? view.seq : null;
      while (after !== null) {
        const page: Timeline = await http.request("GET", `${path}/timeline`, {
          query: { after },
          signal,
        });
        events.push(...page.events);
        after = page.nextAfter;
      }
      failures = 0;
      isReading = false;
      take(job, [...events, ...held.splice(0, known)]);
    } catch (error) {
      if (isRefusal(error)) finish(error);
      isReading = false;
      wait = backoff(++failures) + ((error as Partial<ProblemError>).retryAfter ?? 0) * 1000;
    }
    goOn(wait);
  }

  function take(job: SnapshotEvent, events: readonly DurableEvent[]): void {
    if (signal.aborted) return;
    if (!view.job) {
      // What was told before this state is part of it.
      const past = events.filter(({ seq, type }) => seq < job.seq || (seq === job.seq && type !== "final"));
      update(job, reduce(past.reduce(reduce, view), job));
    }
    for (const event of events) pass(event); // what they leave out is in no timeline
    if (signal.aborted) return;
    if (job.seq === view.seq) update(job);
    if (mayRead && isEnded(view)) finish();
    const meanwhile = held;
    held = [];
    meanwhile.forEach(onEvent);
  }

  /** Says how news comes, and asks again where that is needed. */
  function goOn(wait = 0): void {
    again();
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

  const disconnect = join ? join(hear) : keepLine(setting, stream, hear).close;
  if (join) void read();

  return (listener) => {
    const known = view;
    const { job } = known;
    const state = told;
    listeners.add(listener);
    tell(listener, () => listener.onConnection?.(state));
    if (job) tell(listener, () => listener.onUpdate?.(known, snapshotOf(job)));
    return () => {
      if (listeners.delete(listener) && !listeners.size) close();
    };
  };
}
