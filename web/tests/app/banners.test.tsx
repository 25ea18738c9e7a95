// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, expect, it } from "vitest";
import { NoticeList } from "../../src/app/shell/Banners";
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
