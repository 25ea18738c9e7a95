import { expect, it } from "vitest";
import { addressOf, shownAt } from "../../src/app/address";

it("tells a job and a generation from the beginning", () => {
  expect(addressOf("/")).toEqual({ jobId: null, generationId: null });
  expect(addressOf("/jobs/0199-a")).toEqual({ jobId: "0199-a", generationId: null });
  expect(addressOf("/generations/0199-b/")).toEqual({ jobId: null, generationId: "0199-b" });
});

it("knows no other address", () => {
  for (const path of ["/jobs", "/jobs/", "/jobs/a/b", "/jobsa/b", "/elsewhere"])
    expect(addressOf(path)).toBeNull();
});

it("shows the one that an address is of", () => {
  expect(["/jobs/a", "/generations/b", "/", "/jobs/"].map((path) => shownAt(addressOf(path)))).toEqual([
    "a",
    "b",
    null,
    null,
  ]);
});
