// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { copyLink } from "../../src/app/shell/copy";
import { toasted } from "../../src/app/shell/toast";

const DONE = "Link copied.";
const FAILED = "The browser did not let it be copied.";

/** What the older way was asked to copy, and in what it stood. */
let selected: { text: string; inside: Element | null }[];
let allowed: boolean;
const address = () => new URL("/jobs/1", location.href).href;

beforeEach(() => {
  document.body.innerHTML = "<button>Copy</button><dialog open><button>Copy this</button></dialog>";
  selected = [];
  allowed = true;
  vi.stubGlobal("navigator", {});
  Object.assign(document, {
    execCommand(command: string) {
      expect(command).toBe("copy");
      const field = document.activeElement;
      if (field instanceof HTMLTextAreaElement) {
        const { value, selectionStart, selectionEnd, parentElement } = field;
        selected.push({ text: value.slice(selectionStart, selectionEnd), inside: parentElement });
      }
      return allowed;
    },
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  Reflect.deleteProperty(document, "execCommand");
});

const focus = (selector: string) => document.querySelector<HTMLElement>(selector)?.focus();

describe("the link", () => {
  it("is put where the browser keeps what is copied", async () => {
    const writeText = vi.fn(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    await copyLink("/jobs/1", DONE);
    expect(writeText.mock.calls).toEqual([[address()]]);
    expect(selected).toEqual([]);
    expect(toasted()).toBe(DONE);
  });

  it.each([
    ["there is no such thing", {}],
    ["it is refused", { clipboard: { writeText: () => Promise.reject(new Error("NotAllowed")) } }],
  ])("is copied the older way where %s, and nothing is left of it", async (_, navigator) => {
    vi.stubGlobal("navigator", navigator);
    focus("body > button");
    await copyLink("/jobs/1", DONE);
    expect(selected).toEqual([{ text: address(), inside: document.body }]);
    expect(toasted()).toBe(DONE);
    expect(document.querySelector("textarea")).toBeNull();
    expect(document.activeElement?.textContent).toBe("Copy");
  });

  it("is selected in the dialog that is open: beside it nothing can be", async () => {
    focus("dialog > button");
    await copyLink("/jobs/1", DONE);
    expect(selected).toEqual([{ text: address(), inside: document.querySelector("dialog") }]);
    expect(document.activeElement?.textContent).toBe("Copy this");
  });

  it("is told not to be copied where neither way is open", async () => {
    allowed = false;
    await copyLink("/jobs/1", DONE);
    expect(toasted()).toBe(FAILED);
    expect(document.querySelector("textarea")).toBeNull();
  });
});
