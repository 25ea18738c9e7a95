import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Announcer, PAUSE_MS } from "../../src/app/shell/announcer";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("says the first thing soon, then the newest of each subject, at most once a pause", () => {
  const announcer = new Announcer();
  const heard: string[] = [];
  announcer.subscribe(() => heard.push(announcer.said()));
  announcer.announce("job 1", "Making the picture");
  vi.advanceTimersByTime(200);
  expect(heard).toEqual(["Making the picture"]);

  for (let percent = 0; percent < 100; percent += 1) announcer.announce("job 1", `${percent} %`);
  announcer.announce("job 2", "Ready");
  vi.advanceTimersByTime(PAUSE_MS / 2);
  expect(heard).toHaveLength(1);
  vi.advanceTimersByTime(PAUSE_MS);
  expect(heard).toEqual(["Making the picture", "99 %. Ready"]);

  vi.advanceTimersByTime(10 * PAUSE_MS);
  expect(heard).toHaveLength(2);
});
