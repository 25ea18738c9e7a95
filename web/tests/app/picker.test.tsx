// @vitest-environment happy-dom
import { cleanup, render, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { PlatformPicker } from "../../src/app/composer/PlatformPicker";
import { firstChoice, networksOf, packed } from "../../src/app/places";
import type { Platform } from "../../src/app/served/server";
import { places } from "./places";

let chosen: readonly Platform[] = [];

function Picking({ first }: { first: Platform[] }) {
  const [now, setNow] = useState(first);
  chosen = now;
  return <PlatformPicker places={places} chosen={now} onChange={setNow} problem="" />;
}

afterEach(cleanup);

describe("the picker", () => {
  it("groups places by network and says size and what is covered", () => {
    render(<Picking first={[]} />);
    const instagram = within(screen.getByRole("group", { name: "Instagram" }));
    expect(instagram.getAllByRole("checkbox")).toHaveLength(3);
    expect(
      instagram.getByRole("checkbox", { name: /^Instagram story, 1080\s×\s1920, in part under the header$/ }),
    ).toBeTruthy();
  });

  it("chooses and drops a whole network with one box, which knows when only some are chosen", async () => {
    const user = userEvent.setup();
    render(<Picking first={["instagram-story"]} />);
    const whole = screen.getByRole<HTMLInputElement>("checkbox", { name: "All of Instagram" });
    expect(whole.indeterminate).toBe(true);
    await user.click(whole);
    expect(chosen).toEqual(["instagram-post", "instagram-story"]);
    expect([whole.checked, whole.indeterminate]).toEqual([true, false]);
    await user.click(whole);
    expect(chosen).toEqual([]);
  });

  it("keeps the server's order, whatever was clicked first", async () => {
    const user = userEvent.setup();
    render(<Picking first={["pinterest-pin"]} />);
    await user.click(screen.getByRole("checkbox", { name: /^Facebook post/ }));
    expect(chosen).toEqual(["facebook-post", "pinterest-pin"]);
  });
});

describe("places", () => {
  it("are packed into rows without gaps, each network whole", () => {
    const sizes = packed(networksOf(places), 3).map(({ places: members }) => members.length);
    expect(sizes).toEqual([2, 1, 1, 1]);
    const wide = [4, 3, 2, 2, 1].map((length, at) => ({ network: `${at}`, places: places.slice(0, length) }));
    expect(packed(wide, 4).map(({ network }) => network)).toEqual(["0", "1", "4", "2", "3"]);
  });

  it("that are chosen on a first visit look different", () => {
    expect(firstChoice(places)).toEqual([
      "instagram-post",
      "facebook-post",
      "twitter-header",
      "pinterest-pin",
    ]);
  });
});
