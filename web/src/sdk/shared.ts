/**
 * The news of all the caller's jobs, on one connection for the whole browser. The tab that holds a lock reads the stream
 * and repeats what comes on a channel; when it goes, the next in line gets the lock and reads on from the same place.
 * Where there are no locks or no channels each tab has a connection of its own.
 */

import { createAlarm, onAbort } from "./backoff";
import { type Hear, keepLine, type Line, type News } from "./line";
import type { Setting } from "./setting";
import type { ConnectionState } from "./types";
import { onWake } from "./wake";

/** Hears all there is from now on, until the function it gives is called. What was told before is not repeated. */
export type Join = (hear: Hear) => () => void;

/** What a leader says to the others: its news, and where it was before. They say a `Greeting`. */
interface Said extends News {
  readonly before: string | undefined;
}

/** What asks a leader for an answer; 0 also to connect anew, as the caller has another session. */
type Greeting = null | 0;

/** The connection of all tabs that have the same name, or of this one where there is none; and what makes it anew. */
export function ownerLine(setting: Setting, name: string | false): [join: Join, renew: () => void] {
  const listeners = new Set<Hear>();
  const linger = createAlarm();
  let state: ConnectionState = "connecting";
  let lastId: string | undefined;
  let kept: Line | undefined;
  let greeting: Greeting = null;

  /** Takes in what the stream, or the tab that reads it, says. */
  function hear(news: News): void {
    state = news.state;
    if (news.id) lastId = news.id;
    for (const listener of listeners) listener(news);
    if (state === "closed" || news.error) stop();
  }

  const read = (on: Hear) => keepLine(setting, "/api/events", on, lastId);

  function stop(): void {
    kept?.close();
    kept = lastId = undefined;
    state = "connecting";
  }

  /** Takes part in the one connection of all tabs: leads when it is this tab's turn, listens until then. */
  function share(name: string): Line {
    // Who has heard nothing for so many times as long as a leader may take to answer asks whether it is there.
    const bearable = 20;
    const channel = new BroadcastChannel(name);
    const end = new AbortController();
    const quiet = createAlarm();
    let turn: AbortController | undefined;
    let line: Line | undefined;

    const say = (news: News) => channel.postMessage({ ...news, before: lastId } satisfies Said);

    /** Leads from now on, for as long as it is its turn. */
    const lead = (signal: AbortSignal) =>
      new Promise<void>((release) => {
        onAbort(signal, release);
        if (signal.aborted) return;
        quiet();
        line = read((news) => {
          if (!news.error) say(news); // a refusal is for each tab to hear for itself
          hear(news);
        });
      });

    /** Waits for its turn, or takes it from a leader that is frozen. */
    function compete(steal?: boolean): void {
      resign();
      turn = new AbortController();
      const { signal } = turn;
      expect(bearable, greet);
      navigator.locks
        .request(name, steal ? { steal } : { signal }, () => lead(signal))
        .catch(() => {
          if (signal.aborted) return;
          if (line) compete();
          else void lead(signal); // there are no locks for this page
        });
    }

    function resign(): void {
      quiet();
      turn?.abort();
      line?.close();
      turn = line = undefined;
    }

    const expect = (times: number, act: () => void) =>
      quiet(setting.leaderSilenceMs * times * (1 + Math.random()), act);

    /** Who waits for a leader wants it to try now, and to be there. */
    function greet(): void {
      if (line) return;
      if (!turn) compete();
      channel.postMessage(greeting);
      greeting = null;
      expect(1, () => compete(true));
    }

    channel.onmessage = ({ data }: MessageEvent<Said | Greeting>) => {
      if (line) {
        if (data) return;
        say({ state });
        line.wake(data === 0);
      } else if (data) {
        expect(bearable, greet);
        // Who has heard all that the leader has is where it was; what got lost on the way is not repeated.
        const isBehind = lastId && lastId !== data.before;
        lastId = data.before;
        hear(isBehind ? { ...data, event: { type: "connected" } } : data);
      }
    };
    onWake(greet, end.signal);
    // A page that is put away is frozen as it is, and would hold the lock for nothing.
    globalThis.addEventListener?.("pagehide", resign, { signal: end.signal });
    greet();

    return {
      close() {
        end.abort();
        resign();
        channel.close();
      },
      wake: (isAnew) => (line ? line.wake(isAnew) : greet()),
    };
  }

  return [
    (listener) => {
      linger();
      listeners.add(listener);
      listener({ state });
      kept ??= name && globalThis.BroadcastChannel && globalThis.navigator?.locks ? share(name) : read(hear);
      return () => {
        if (listeners.delete(listener) && !listeners.size) linger(setting.lingerMs, stop);
      };
    },
    () => {
      greeting = 0; // also of who joins the others only later
      kept?.wake(true);
    },
  ];
}
