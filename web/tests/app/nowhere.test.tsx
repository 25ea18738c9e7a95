// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { MemoryRouter, useLocation } from "react-router";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Studio } from "../../src/app/Studio";

const TITLE = "There is nothing at this address";

function Where() {
  return <output>{useLocation().pathname}</output>;
}

const open = (path: string) =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <MemoryRouter initialEntries={[path]}>
        <Studio />
        <Where />
      </MemoryRouter>
    </QueryClientProvider>,
  );

beforeEach(() => {
  vi.stubGlobal("fetch", () => new Promise(() => {}));
  document.title = "SnapAsset";
});
afterEach(cleanup);

it.each(["/nonsense", "/jobs/", "/jobs", "/generations/x/y"])("says at %s that there is nothing", (path) => {
  open(path);
  const headings = screen.getAllByRole("heading", { level: 1 }).map(({ textContent }) => textContent);
  expect(headings).toEqual([TITLE]);
  expect(document.title).toBe(`${TITLE} · SnapAsset`);
  expect(screen.getByRole("main").contains(screen.getByRole("heading", { name: TITLE }))).toBe(true);
  expect(screen.getByText(path, { selector: "output" })).toBeTruthy(); // what was asked for is not replaced
});

it("leads to the beginning, where one stands on the sheet and the page has its own name again", async () => {
  open("/nonsense");
  const way = screen.getByRole("link", { name: "To the beginning" });
  expect(way.getAttribute("href")).toBe("/");
  way.focus();
  await userEvent.keyboard("{Enter}");
  expect(screen.getByText("/", { selector: "output" })).toBeTruthy();
  expect(screen.queryByRole("heading", { name: TITLE })).toBeNull();
  expect(document.title).toBe("SnapAsset");
  expect(document.activeElement).toBe(screen.getByRole("main"));
});
