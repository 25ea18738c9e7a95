// @vitest-environment happy-dom
import { beforeEach, expect, it, vi } from "vitest";
import { applyTheme, chooseTheme } from "../../src/app/shell/theme";

const shown = () => document.documentElement.dataset.theme;

beforeEach(() => {
  localStorage.clear();
  applyTheme();
});

it("follows the system until something is chosen, and again when that is chosen", () => {
  expect(shown()).toBeUndefined();
  chooseTheme("dark");
  expect(shown()).toBe("dark");
  chooseTheme("system");
  expect(shown()).toBeUndefined();
});

it("is remembered, and whatever else stands in the memory is taken for the system", () => {
  chooseTheme("light");
  delete document.documentElement.dataset.theme;
  applyTheme();
  expect(shown()).toBe("light");
  localStorage.setItem("snapasset.theme", "{not json");
  applyTheme();
  expect(shown()).toBeUndefined();
});

it("is there before the rest of the page is, as it was chosen", async () => {
  const first = "../../src/app/first-theme";
  for (const theme of ["dark", "light", "system"] as const) {
    chooseTheme(theme);
    const chosen = shown();
    delete document.documentElement.dataset.theme;
    vi.resetModules();
    await import(first);
    expect(shown()).toBe(chosen);
  }
  localStorage.setItem("snapasset.theme", "{not json");
  vi.resetModules();
  await import(first);
  expect(shown()).toBeUndefined();
});
