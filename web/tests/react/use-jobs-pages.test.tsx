// @vitest-environment happy-dom
import { waitFor } from "@testing-library/react";
import { describe, expect, test } from "vitest";
import { change } from "../sdk/made";
import type { Asked } from "../sdk/scripted-server";
import { asked, has, idOf, listed, nth } from "./listed";

describe("a list of more jobs than a page holds", () => {
  test("goes on page by page, each job once, and is read anew as far as it was", async () => {
    const all = [5, 4, 3, 2, 1].map((n) => nth(n));
    const { names, last, server } = await listed(all, { limit: 2 });
    expect([names(), last().hasMore]).toEqual([[5, 4].map(idOf), true]);
    await Promise.all([last().loadMore(), last().loadMore()]);
    expect(names()).toEqual([5, 4, 3, 2].map(idOf));
    all.unshift(nth(6));
    await last().loadMore();
    await waitFor(() => expect(names()).toEqual([5, 4, 3, 2, 1].map(idOf)));
    expect(last().hasMore).toBe(false);
    await last().refresh();
    await waitFor(() => expect(names()).toEqual([6, 5, 4, 3, 2, 1].map(idOf)));
    expect(server.asked.every(({ query }) => query.get("limit") === "2" || !query.size)).toBe(true);
  });

  test("drops a page that goes on from where the list does not end any more", async () => {
    const all = [3, 2, 1].map((n) => nth(n));
    const { names, last, server } = await listed(all, { limit: 2 });
    let release = () => {};
    const slow = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.route("GET /api/jobs", async ({ query }: Asked) => {
      if (!query.has("cursor")) return { body: { jobs: [nth(5), nth(4)], nextCursor: "other" } };
      await slow;
      return { body: { jobs: [nth(1)], nextCursor: null } };
    });
    const more = last().loadMore();
    await last().refresh();
    release();
    await more;
    await waitFor(() => expect(names()).toEqual([5, 4].map(idOf)));
    expect(last().hasMore).toBe(true);
  });

  test("leaves a job that is older than what was read of it to its page", async () => {
    const { stream, server, names, last } = await listed(
      [3, 2, 1].map((n) => nth(n)),
      { limit: 2 },
    );
    has(server, nth(1, { seq: 3 }));
    stream.event(change(3, { jobId: idOf(1) }), "0-1");
    await waitFor(() => expect(asked(server, 1)).toBe(1));
    await server.moment();
    expect(names()).toEqual([3, 2].map(idOf));
    await last().loadMore();
    await waitFor(() => expect(names()).toEqual([3, 2, 1].map(idOf)));
  });
});
