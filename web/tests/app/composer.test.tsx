// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { createRef } from "react";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Composer } from "../../src/app/composer/Composer";
import { useDraft } from "../../src/app/composer/useDraft";
import { errors } from "../../src/app/messages";
import type { Place } from "../../src/app/places";
import { remember } from "../../src/app/remembered";
import { ConnectionLost, type ImageGenerationArgs, ProblemError } from "../../src/app/served/server";
import { StudioProvider } from "../../src/app/shell/studio";
import { kind, places } from "./places";

const complaints: unknown[] = [];
let tryAgain: (() => void) | undefined;
const sent: ImageGenerationArgs[] = [];
let answer: () => Promise<void>;

function Around({ known }: { known: Place[] }) {
  const [draft, change] = useDraft(known);
  const submit = (args: ImageGenerationArgs) => {
    sent.push(args);
    return answer();
  };
  const complain = (problem: unknown, again?: () => void) => {
    complaints.push(problem);
    tryAgain = again;
  };
  return (
    <StudioProvider value={{ places: known, kind, draft, change, compose: change, submit, complain }}>
      <Composer field={createRef()} />
    </StudioProvider>
  );
}

function show(known = places) {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY } } });
  client.setQueryData(["health"], { status: "ok", services: { provider: { name: "sketch" } } });
  client.setQueryData(["usage"], {});
  client.setQueryData(["jobs", "last"], { jobs: [] });
  const page = (having: Place[]) => (
    <QueryClientProvider client={client}>
      <Around known={having} />
    </QueryClientProvider>
  );
  const { unmount, rerender } = render(page(known));
  return {
    unmount,
    learn: (having: Place[]) => rerender(page(having)),
    user: userEvent.setup(),
    prompt: () => screen.getByLabelText<HTMLTextAreaElement>("The picture"),
  };
}

beforeEach(() => {
  localStorage.clear();
  complaints.length = sent.length = 0;
  answer = () => Promise.resolve();
});
afterEach(cleanup);

describe("the composer", () => {
  it("sends what was chosen with Ctrl+Enter, and keeps the words", async () => {
    const { user, prompt } = show();
    await user.type(prompt(), "A lighthouse{Control>}{Enter}{/Control}");
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]).toMatchObject({ prompt: "A lighthouse", imageType: "vivid", fit: "cover" });
    expect(prompt().value).toBe("A lighthouse");
  });

  it("keeps everything when the server cannot be reached, and says so elsewhere", async () => {
    answer = () => Promise.reject(new ConnectionLost("gone"));
    const { user, prompt } = show();
    await user.type(prompt(), "A lighthouse");
    await user.click(screen.getByLabelText(/^Natural/));
    await user.click(screen.getByRole("button", { name: /^Make/ }));
    await waitFor(() => expect(complaints).toHaveLength(1));
    expect(prompt().value).toBe("A lighthouse");
    expect(screen.getByLabelText<HTMLInputElement>(/^Natural/).checked).toBe(true);
  });

  it("sends once what is sent twice in a hurry", async () => {
    const { user, prompt } = show();
    let done = () => {};
    answer = () =>
      new Promise((resolve) => {
        done = resolve;
      });
    await user.type(prompt(), "A lighthouse{Control>}{Enter}{Enter}{/Control}");
    await user.click(screen.getByRole("button", { name: /^Sending/ }));
    expect(sent).toHaveLength(1);
    done();
    await user.click(await screen.findByRole("button", { name: /^Make/ }));
    expect(sent).toHaveLength(2);
  });

  it("sends once what is pressed once more as soon as the answer is there, and again a moment later", async () => {
    const { user, prompt } = show();
    await user.type(prompt(), "A lighthouse");
    const make = screen.getByRole("button", { name: /^Make/ });
    await user.click(make);
    await user.click(make);
    await user.type(prompt(), "{Control>}{Enter}{/Control}");
    expect(sent).toHaveLength(1);
    await waitFor(() => expect(make.getAttribute("aria-disabled")).toBeNull(), { timeout: 5_000 });
    await user.click(make);
    expect(sent).toHaveLength(2);
  });

  it("takes a key that is held for one press, and for lines in the field", async () => {
    const { user, prompt } = show();
    await user.type(prompt(), "A lighthouse");
    const pressed = (target: Element, init: KeyboardEventInit) =>
      fireEvent.keyDown(target, { key: "Enter", ...init }); // false where the browser is to do nothing more
    const held = { repeat: true };
    const make = screen.getByRole("button", { name: /^Make/ });
    expect(pressed(prompt(), { ctrlKey: true, ...held })).toBe(false);
    expect(pressed(make, held)).toBe(false);
    expect(pressed(prompt(), held)).toBe(true);
    expect(pressed(make, {})).toBe(true);
    expect(sent).toEqual([]);
    pressed(prompt(), { ctrlKey: true });
    expect(sent).toHaveLength(1);
  });

  it("tries again with what it has by then, not with what it had", async () => {
    answer = () => Promise.reject(new ConnectionLost("gone"));
    const { user, prompt } = show();
    await user.type(prompt(), "A lighthouse{Control>}{Enter}{/Control}");
    await waitFor(() => expect(complaints).toHaveLength(1));
    await user.type(prompt(), " at night");
    tryAgain?.();
    await waitFor(() => expect(sent).toHaveLength(2));
    expect(sent[1]?.prompt).toBe("A lighthouse at night");
  });

  it("says that it waits for what can be made, and no longer than that", async () => {
    const { user, prompt, learn } = show([]);
    expect(screen.getByRole("status").textContent).toBe(errors.catalogue);
    await user.type(prompt(), "A lighthouse{Control>}{Enter}{/Control}");
    expect(screen.getByRole("alert").textContent).toBe(errors.early);
    expect([complaints, sent]).toEqual([[], []]);
    learn(places);
    expect(screen.queryByRole("alert")).toBeNull();
    await user.type(prompt(), "{Control>}{Enter}{/Control}");
    await waitFor(() => expect(sent).toHaveLength(1));
  });

  it("has the same words and places after a reload", async () => {
    const before = show();
    await before.user.type(before.prompt(), "A lighthouse");
    await before.user.click(screen.getByRole("button", { name: "None" }));
    await before.user.click(screen.getByRole("checkbox", { name: /^Pinterest pin/ }));
    before.unmount();
    const after = show();
    expect(after.prompt().value).toBe("A lighthouse");
    expect(screen.getAllByRole("checkbox", { checked: true })).toHaveLength(1);
  });

  it("puts what the server says of a field beside that field", async () => {
    const errors = [{ field: "prompt", message: "These words are not allowed." }];
    answer = () => Promise.reject(new ProblemError(422, { code: "invalid_prompt", errors }));
    const { user, prompt } = show();
    await user.type(prompt(), "A lighthouse{Control>}{Enter}{/Control}");
    expect((await screen.findByRole("alert")).textContent).toBe("These words are not allowed.");
    expect(prompt().getAttribute("aria-invalid")).toBe("true");
    expect(complaints).toEqual([]);
  });

  it("sends nothing without words, without places, or with too many words", async () => {
    const { user, prompt } = show();
    await user.click(screen.getByRole("button", { name: /^Make/ }));
    await user.type(prompt(), "x".repeat(41));
    expect(screen.getByRole("alert").textContent).toMatch(/1 character too many/);
    await user.click(screen.getByRole("button", { name: /^Make/ }));
    await user.clear(prompt());
    await user.type(prompt(), "Fine");
    await user.click(screen.getByRole("button", { name: "None" }));
    await user.click(screen.getByRole("button", { name: /^Make/ }));
    expect(screen.getByText("Choose at least one place.")).toBeTruthy();
    expect(sent).toEqual([]);
  });

  it("brings the last prompt back with the up key, in an empty field only", async () => {
    remember.sent("The one before");
    const { user, prompt } = show();
    await user.click(prompt());
    await user.keyboard("{ArrowUp}");
    expect(prompt().value).toBe("The one before");
    await user.clear(prompt());
    await user.type(prompt(), "Mine{ArrowUp}");
    expect(prompt().value).toBe("Mine");
  });
});
