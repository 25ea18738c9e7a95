/**
 * The news of all the caller's jobs, on one connection for the whole browser. The tab that holds a lock reads the stream
 * and repeats what comes on a channel; when it goes, the next in line gets the lock and reads on from the same place.
 * Where there are no locks or no channels each tab has a connection of its own.
 */

import { keepLine, type Line, type LineListener, type LineOptions } from "./line";
import type { ConnectionState, OwnerEvent } from "./types";
import { onWake } from "./wake";

export interface OwnerLineOptions extends Omit<LineOptions, "path" | "lastId"> {
  /** What tabs share that have the same name; undefined: nothing. */
  name: string | undefined;
  /** How long the connection outlives its last listener, and how long a leader may say nothing, in ms. */
  lingerMs: number;
  leaderSilenceMs: number;
}

export interface OwnerLine {
  /** Hears all there is from now on. What was told before is not repeated. */
  join(listener: LineListener): () => void;
}

/** What a leader says to the others: an event, if there is one, and where it was and is. They say nothing but "hello". */
interface Said {
  readonly state: ConnectionState;
  readonly before: string | undefined;
  readonly id: string | undefined;
  readonly event: OwnerEvent | undefined;
}

export function ownerLine({ name, lingerMs, leaderSilenceMs, ...options }: OwnerLineOptions): OwnerLine {
  const listeners = new Set<LineListener>();
  let state: ConnectionState = "connecting";
  let lastId: string | undefined;
  let leave: (() => void) | undefined;
  let linger: ReturnType<typeof setTimeout> | undefined;

  /** Takes in what the stream, or the tab that reads it, says. */
  const hears: LineListener = {
    state(news) {
      state = news;
      for (const listener of listeners) listener.state(news);
    },
    event(event, id) {
      if (id) lastId = id;
      for (const listener of listeners) listener.event(event);
    },
    over(error) {
      stop();
      for (const listener of listeners) {
        listeners.delete(listener);
        listener.over(error);
      }
    },
  };

  const read = (on: LineListener) => keepLine({ ...options, path: "/api/events", lastId }, on);

  function stop(): void {
    leave?.();
    leave = lastId = undefined;
    state = "connecting";
  }

  /** Takes part in the one connection of all tabs: leads when it is this tab's turn, listens until then. */
  function share(name: string): () => void {
    const channel = new BroadcastChannel(name);
    let turn: AbortController;
    let line: Line | undefined;
    let watch: ReturnType<typeof setTimeout>;

    const say = (event?: OwnerEvent, before = lastId) =>
      channel.postMessage({ state, before, id: lastId, event } satisfies Said);

    /** Leads from now on, for as long as it is its turn. */
    const lead = () =>
      new Promise<void>((release) => {
        clearTimeout(watch);
        const beat = setInterval(() => say(), leaderSilenceMs / 4);
        line = read({
          state(news) {
            hears.state(news);
            say();
          },
          event(event, id) {
            const before = lastId;
            hears.event(event, id);
            say(event as OwnerEvent, before);
          },
          over: hears.over,
        });
        turn.signal.addEventListener("abort", () => {
          clearInterval(beat);
          release();
        });
      });

    /** Waits for its turn, or takes it from a leader that is frozen. */
    function compete(isUrgent?: boolean): void {
      turn?.abort();
      turn = new AbortController();
      const { signal } = turn;
      const lost = () => {
        if (!signal.aborted) {
          resign();
          compete();
        }
      };
      navigator.locks.request(name, isUrgent ? { steal: true } : { signal }, lead).then(lost, lost);
      expect(leaderSilenceMs);
    }

    function resign(): void {
      clearTimeout(watch);
      turn.abort();
      line?.close();
      line = undefined;
    }

    const expect = (ms: number) => {
      clearTimeout(watch);
      watch = setTimeout(compete, ms * (1 + Math.random()), true);
    };

    /** Who waits for a leader wants it to try now, and to be there. */
    const greet = () => {
      if (line) return;
      if (turn.signal.aborted) compete();
      channel.postMessage("hello");
      expect(Math.min(GREETING_MS, leaderSilenceMs));
    };

    channel.onmessage = ({ data }: MessageEvent<Said | "hello">) => {
      if (data === "hello") {
        if (line) say();
        line?.wake();
      } else if (!line) {
        expect(leaderSilenceMs);
        const known = lastId;
        lastId = data.id;
        if (data.state !== state) hears.state(data.state);
        // Who has heard all that the leader has is where it was; what got lost on the way is not repeated.
        if (known && known !== data.before) hears.event({ type: "connected" });
        if (data.event) hears.event(data.event);
      }
    };
    const forget = onWake(greet);
    // A page that is put away is frozen as it is, and would hold the lock for nothing.
    globalThis.addEventListener?.("pagehide", resign);
    compete();
    greet();

    return () => {
      forget();
      globalThis.removeEventListener?.("pagehide", resign);
      resign();
      channel.close();
    };
  }

  return {
    join(listener) {
      clearTimeout(linger);
      listeners.add(listener);
      if (leave) listener.state(state);
      else leave = name && canShare() ? share(name) : read(hears).close;
      return () => {
        if (!listeners.delete(listener) || listeners.size) return;
        clearTimeout(linger);
        linger = setTimeout(stop, lingerMs);
      };
    },
  };
}

/** How long a leader that lives takes to answer, at the most. */
const GREETING_MS = 2_000;

const canShare = () => "BroadcastChannel" in globalThis && globalThis.navigator?.locks !== undefined;
