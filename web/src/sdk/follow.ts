/**
 * One job followed to the end of its run, for all who want to know. Events come by a connection that may repeat or lose
 * them; what each subscriber is told is in order and told once. What is missing is read from the job and its timeline,
 * and so is everything while no stream gets through.
 */

import { backoff } from "./backoff";
import { type Http, jobPath } from "./http";
import type { LineListener } from "./line";
import { ConnectionLost, isRefusal, type ProblemError } from "./problem";
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

export interface FollowOptions {
  http: Http;
  jobId: string;
  /** Connects; gives what ends the connection. */
  connect(hearing: LineListener): () => void;
  /** Whether the connection begins with the job's state; else that is read. */
  tellsState: boolean;
  /** Whether the job and its timeline may be read: not by who has only a stream's token. */
  mayRead: boolean;
  /** Pauses between questions in ms: where no stream gets through, and for the place in the queue. */
  pollMs: number;
  standingMs: number;
  /** Calls back a subscriber, who may throw. */
  call(act: () => void): void;
  /** Nobody follows it any more. */
  closed(): void;
}

export interface FollowedJob {
  /** Adds a subscriber, who is told first what is known already. Gives what takes it away; with the last one it ends. */
  add(listener: JobListener): () => void;
}

export function followJob(options: FollowOptions): FollowedJob {
  const { http, jobId, mayRead, call } = options;
  const listeners = new Set<JobListener>();
  let count = 0;
  let outcome: ((listener: JobListener) => void) | undefined;
  const stop = new AbortController();
  const { signal } = stop;
  let view = loadingView(jobId);
  let line: ConnectionState = "connecting";
  let told: ConnectionState = line;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let isReading = false;
  let mustRead = false;
  let held: DurableEvent[] = [];

  const each = (act: (listener: JobListener) => void) => {
    for (const listener of listeners) call(() => act(listener));
  };

  const tell = (state: ConnectionState) => {
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
    tell(error ? "refused" : "closed");
    outcome = (listener) => (error ? listener.onError?.(error) : listener.onComplete?.(view as EndedView));
    each(outcome);
  }

  function close(): void {
    if (signal.aborted) return;
    stop.abort();
    clearTimeout(timer);
    disconnect();
    options.closed();
  }

  /** Tells an event, unless it was told. The end of a job that had ended when it was first read comes after its state. */
  function pass(event: DurableEvent): void {
    const isEnd = event.type === "final";
    if (signal.aborted || event.seq < view.seq + (isEnd ? 0 : 1)) return;
    update(event);
    if (isEnd) finish();
  }

  function onEvent(event: JobEvent | OwnerEvent): void {
    if (event.type === "connected") {
      if (!("resumedAfter" in event)) void read("status" in event ? event : undefined);
    } else if ("tick" in event) {
      if (!isReading) update(event);
    } else if (isReading || !view.job || (mayRead && event.seq > view.seq + 1)) {
      held.push(event);
      if (!failures) void read();
    } else pass(event);
  }

  /** Reads how the job is, and all events that were not told yet. */
  async function read(given?: SnapshotEvent): Promise<void> {
    mustRead = isReading && mayRead;
    if (isReading || !(mayRead || given)) return;
    isReading = true;
    const known = held.length;
    let wait = 0;
    try {
      const job = given ?? snapshotOf(await http.request("GET", jobPath(jobId), { signal }));
      const events: DurableEvent[] = [];
      let after: number | null = mayRead && job.seq > Math.max(view.seq, 1) ? view.seq : null;
      while (after !== null) {
        const page: Timeline = await http.request("GET", `${jobPath(jobId)}/timeline`, {
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
    clearTimeout(timer);
    if (signal.aborted) return;
    const isPolling = line === "polling";
    tell(isPolling && (failures || !mayRead) ? (isOffline() ? "offline" : "reconnecting") : line);
    if (!mayRead) return;
    const { pollMs, standingMs } = options;
    const ms =
      mustRead || failures ? wait : isPolling ? pollMs : view.phase === "waiting" ? standingMs : undefined;
    const ask = () => (ms === standingMs && globalThis.document?.hidden ? goOn() : void read());
    if (ms !== undefined) timer = setTimeout(ask, ms);
  }

  const disconnect = options.connect({
    event: onEvent,
    state(state) {
      const isNews = state !== line;
      line = state;
      if (isNews && (state === "polling" || failures)) void read();
      if (isNews) goOn();
    },
    over(error) {
      if (error || isEnded(view)) finish(error);
      else if (mayRead) this.state("polling");
      else finish(new ConnectionLost("There is nothing more to come."));
    },
  });
  if (!options.tellsState) void read();

  return {
    add(listener) {
      let isGone = false;
      count++;
      queueMicrotask(() => {
        if (isGone) return;
        listeners.add(listener);
        call(() => listener.onConnection?.(told));
        const { job } = view;
        if (job) call(() => listener.onUpdate?.(view, snapshotOf(job)));
        call(() => outcome?.(listener));
      });
      return () => {
        if (isGone) return;
        isGone = true;
        listeners.delete(listener);
        if (!--count) close();
      };
    },
  };
}
