// @vitest-environment happy-dom
import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { times } from "../../src/app/formats";
import { newQueryClient } from "../../src/app/served/queries";
import { ConnectionLost, ProblemError } from "../../src/app/served/server";
import { Banners, NoticeList, ProblemBanner } from "../../src/app/shell/Banners";
import type { Notice } from "../../src/app/shell/notices";

const notice = (key: string): Notice => ({ key, title: `Of ${key}.`, text: "", level: "warn" });

function show(...keys: string[]) {
  const list = (keys: string[]) => <NoticeList found={keys.map(notice)} aside={false} />;
  const { rerender } = render(list(keys));
  return (...keys: string[]) => rerender(list(keys));
}

const said = () => screen.getByRole("status").textContent?.trim();
const put = (name: string) => userEvent.click(screen.getByRole("button", { name }));

afterEach(cleanup);

it("says nothing, and offers nothing, where all is as usual", () => {
  show();
  expect(said()).toBe("");
  expect(screen.queryByRole("button")).toBeNull();
});

it("puts away what was read, keeps the focus, and shows it again when asked to", async () => {
  show("redis");
  expect(said()).toBe("Of redis.");
  await put("Dismiss");
  expect(said()).toBe("");
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "Show what is not as usual" }));
  await put("Show what is not as usual");
  expect(said()).toBe("Of redis.");
});

it("shows itself again when there is something new, or the same once more", async () => {
  const now = show("redis");
  await put("Dismiss");
  now("redis", "storage");
  expect(said()).toContain("Of storage.");
  await put("Dismiss");
  now();
  now("redis", "storage");
  expect(said()).toContain("Of redis.");
});

const FOREIGN = "Something between this browser and the server answers in its place.";

it("says that somebody else answers, where a page for signing in comes in place of the API's answers", async () => {
  const page = () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } });
  const health = {
    status: "ok",
    services: { database: {}, storage: {}, provider: {}, redis: {}, queues: {} },
  };
  const answer = (url: string) => (url.endsWith("/health") ? Response.json(health) : page());
  vi.stubGlobal("fetch", (url: string) => Promise.resolve(answer(url)));
  render(
    <QueryClientProvider client={newQueryClient()}>
      <Banners aside={false} />
    </QueryClientProvider>,
  );
  await screen.findByText(FOREIGN);
});

it("says so of what was sent, too", () => {
  const problem = new ConnectionLost("lost", { cause: new SyntaxError("Unexpected token <") });
  render(<ProblemBanner problem={problem} again={() => {}} onDismiss={() => {}} />);
  expect(screen.getByRole("alert").textContent).toContain(FOREIGN);
  expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
});

it("writes the server's points in time as people do", () => {
  const then = "2026-01-31T09:30:00.000Z";
  const problem = new ProblemError(429, { code: "spend_cap_reached", detail: `No more before ${then}.` });
  render(<ProblemBanner problem={problem} again={undefined} onDismiss={() => {}} />);
  const said = screen.getByRole("alert").textContent;
  expect(said).toContain(`No more before ${times.dayAndClock(then)}.`);
  expect(said).not.toContain(then);
});
