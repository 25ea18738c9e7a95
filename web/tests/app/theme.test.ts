// @vitest-environment happy-dom
import { beforeEach, expect, it } from "vitest";
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
