// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, describe, expect, it } from "vitest";
import { coverCrop, shownOf } from "../../src/app/adjuster/crop";
import { FocalPoint } from "../../src/app/adjuster/FocalPoint";

const master = { width: 1000, height: 1000, url: "data:," };

function Aiming({ from = { x: 0.5, y: 0.5 }, off = false }) {
  const [point, setPoint] = useState(from);
  return <FocalPoint master={master} alt="" point={point} set off={off} outline={null} onMove={setPoint} />;
}

const where = () => screen.getByRole("slider").getAttribute("aria-valuetext");

afterEach(cleanup);

describe("the point to keep", () => {
  it("is moved by the arrow keys, with Shift ten times as far", async () => {
    const user = userEvent.setup();
    render(<Aiming />);
    await user.tab();
    await user.keyboard("{ArrowRight}{ArrowRight}{Shift>}{ArrowUp}{/Shift}");
    expect(where()).toBe("52 % from the left, 40 % from the top");
  });

  it("stays on the picture", async () => {
    const user = userEvent.setup();
    render(<Aiming from={{ x: 0.95, y: 0 }} />);
    await user.tab();
    await user.keyboard("{Shift>}{ArrowRight}{/Shift}{ArrowUp}");
    expect(where()).toBe("100 % from the left, 0 % from the top");
  });

  it("cannot be reached where cuts are not made around it", async () => {
    const user = userEvent.setup();
    render(<Aiming off />);
    await user.tab();
    expect(document.activeElement).toBe(document.body);
  });
});

describe("a cut", () => {
  it("keeps the point as near to its middle as the edges let", () => {
    const story = { width: 1080, height: 1920 };
    expect(coverCrop(master, story, { x: 0.5, y: 0.5 })).toEqual({
      left: 0.21875,
      top: 0,
      width: 0.5625,
      height: 1,
    });
    expect(coverCrop(master, story, { x: 0.9, y: 0.5 }).left).toBeCloseTo(0.4375);
    expect(coverCrop(master, story, { x: 0, y: 0.5 }).left).toBe(0);
  });

  it("that would keep too little shows the whole picture instead", () => {
    expect(shownOf(master, { width: 1128, height: 191 }, "cover", { x: 0.5, y: 0.5 }).fit).toBe("contain");
    expect(shownOf(master, { width: 1128, height: 191 }, "centre", { x: 0.5, y: 0.5 }).fit).toBe("centre");
  });
});
