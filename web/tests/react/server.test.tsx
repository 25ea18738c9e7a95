import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";
import { JobMonitor, useJobs } from "../../src/react";
import { jobStore, knownStore } from "../../src/react/job-store";
import { eventually, ID, jobOf, picture } from "../sdk/made";
import { scriptedServer } from "../sdk/scripted-server";
import { apart, ended, OTHER, Probe } from "./stage";

test("where there is no page, a job is rendered as initialJob has it, and nothing is asked", async () => {
  expect("document" in globalThis).toBe(false);
  const server = await scriptedServer();
  const client = apart(server);
  const html = renderToString(<Probe jobId={ID} client={client} initialJob={jobOf({ progress: 7 })} />);
  expect(html).toBe("<output>active 7</output>");
  expect(renderToString(<Probe jobId={ID} client={client} />)).toBe("<output>loading 0</output>");
  expect(renderToString(<Probe jobId={null} client={client} />)).toBe("<output>no job</output>");
  await server.moment();
  expect(server.asked).toEqual([]);
});

test("what one visitor was shown is not shown to the next", async () => {
  const client = apart(await scriptedServer());
  renderToString(<Probe jobId={ID} client={client} initialJob={ended()} />);
  expect(renderToString(<Probe jobId={ID} client={client} />)).toBe("<output>loading 0</output>");
  expect(renderToString(<Probe jobId={ID} client={client} initialJob={jobOf({ progress: 7 })} />)).toBe(
    "<output>active 7</output>",
  );
});

test("the client of the page's own server is not asked either", () => {
  expect(renderToString(<Probe jobId={ID} initialJob={jobOf()} />)).toBe("<output>active 0</output>");
});

test("a list is one that is not read yet", () => {
  function List() {
    const { jobs, isLoading } = useJobs();
    return <p>{`${jobs.length} ${isLoading}`}</p>;
  }
  expect(renderToString(<List />)).toBe("<p>0 true</p>");
});

test("a monitor shows what was made, with addresses that are complete", async () => {
  const server = await scriptedServer();
  const result = {
    ...{ simulated: true, model: "sketch", understood: null, reused: false, reusedFrom: null },
    ...{ master: picture("open-graph"), images: [picture("reel-cover")] },
  };
  const html = renderToString(
    <JobMonitor jobId={ID} client={apart(server)} initialJob={ended({ result } as never)} />,
  );
  expect(html).toContain("Ready");
  expect(html).toContain(`src="${server.url}/api/files/f-reel-cover"`);
});

test("what is known of a job is let go when nobody shows it", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const client = apart(await scriptedServer());
  renderToString(<Probe jobId={ID} client={client} />); // rendered, and never shown
  const leave = (() => jobStore(client, OTHER).subscribe(() => {}))();
  await eventually(() => {
    collect();
    return knownStore(client, ID) === undefined;
  });
  expect(knownStore(client, OTHER)).toBeDefined();
  leave();
});
