/** Components on a page that asks the scripted server, and what they have shown. Whatever React complains of fails the test. */

import { cleanup, configure, render } from "@testing-library/react";
import { PropertySymbol } from "happy-dom";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, type MockInstance, vi } from "vitest";
import { type JobStatusResult, type UseJobStatusOptions, useJobStatus } from "../../src/react";
import type { Client, ConnectionState, Job, JobView, Phase } from "../../src/sdk";
import { clientOf, final, ID, jobOf, snapshot } from "../sdk/made";
import { type Connection, type ScriptedServer, scriptedServer } from "../sdk/scripted-server";

export const OTHER = "01980000-0000-7000-8000-000000000002";

interface Page {
  happyDOM?: { settings: { fetch: object } };
  document?: { [PropertySymbol.window]: { console: { error: () => void } } };
}

const { happyDOM, document: page } = globalThis as unknown as Page;
if (happyDOM) Object.assign(happyDOM.settings.fetch, { disableSameOriginPolicy: true });
// The browser's own remarks on requests that fail, not the page's.
if (page) page[PropertySymbol.window].console.error = () => {};

configure({ asyncUtilTimeout: 5_000 });

let complaints: MockInstance | undefined;

beforeEach(() => {
  complaints = vi.spyOn(console, "error").mockImplementation(() => {});
  // What comes from a server comes when it comes, not within `act`.
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: false });
});

afterEach(() => {
  if ("document" in globalThis) cleanup();
  expect(complaints?.mock.calls).toEqual([]);
});

/** What one rendering of `Probe` has shown. */
export interface Frame {
  readonly asked: string | null;
  readonly view: JobView | null;
  readonly connection: ConnectionState;
  readonly error: Error | null;
}

export interface ProbeProps<T = JobView> extends UseJobStatusOptions<T> {
  jobId: string | null;
  /** Gets each frame that is rendered. */
  log?: Frame[];
  result?: { current: JobStatusResult<T> | null };
}

/** A component that shows a job's phase, and writes down each of its frames. */
export function Probe({ jobId, log, result, ...options }: ProbeProps): ReactNode {
  const job = useJobStatus(jobId, options);
  const { view, connection, error } = job;
  log?.push({ asked: jobId, view, connection, error });
  if (result) result.current = job;
  return <output>{view ? `${view.phase} ${view.progress}` : "no job"}</output>;
}

/** Each job has a stream of its own, as most of what is tested here has nothing to do with sharing one. */
export const apart = (server: ScriptedServer, options: Parameters<typeof clientOf>[1] = {}): Client =>
  clientOf(server, { sharing: "off", ...options });

export const phases = (log: readonly Frame[]): (Phase | undefined)[] => [
  ...new Set(log.map(({ view }) => view?.phase)),
];

export const connections = (log: readonly Frame[]): ConnectionState[] =>
  log.map(({ connection }) => connection).filter((state, place, all) => state !== all[place - 1]);

export interface Shown {
  server: ScriptedServer;
  client: Client;
  log: Frame[];
  result: { current: JobStatusResult | null };
  stream: Connection;
  /** Renders it anew with other properties. */
  again(props: Partial<ProbeProps>): void;
  leave(): void;
}

/** A probe whose stream is open, of a job that waits. */
export async function shown(
  props: Partial<ProbeProps> = {},
  options: Parameters<typeof clientOf>[1] = {},
): Promise<Shown> {
  const server = await scriptedServer();
  const client = apart(server, options);
  const log: Frame[] = [];
  const result: Shown["result"] = { current: null };
  const probe = (more: Partial<ProbeProps>) => (
    <Probe jobId={ID} client={client} log={log} result={result} {...props} {...more} />
  );
  const { rerender, unmount } = render(probe({}));
  const stream = (await server.stream()).open().event(waiting(), 1);
  await vi.waitFor(() => expect(log.at(-1)?.view?.phase).toBe("waiting"));
  return { server, client, log, result, stream, again: (more) => rerender(probe(more)), leave: unmount };
}

export const waiting = (fields: Partial<Job> = {}) =>
  snapshot({ seq: 1, status: "waiting", startedAt: null, ...fields });

/** A job as it was read when its run was over. */
export const ended = (fields: Partial<Job> = {}): Job =>
  jobOf({ status: "completed", seq: 5, progress: 100, finishedAt: "2026-01-01T00:01:00.000Z", ...fields });

export const failure = { code: "provider_failed", message: "The provider has failed.", retryable: true };

export const failed = (seq: number, fields: object = {}) =>
  final(seq, { status: "failed", error: failure, ...fields } as never);

/** A job that has begun again, as a retry is answered and as its stream begins. */
export const secondRun = (seq: number) =>
  jobOf({ seq, run: 2, attempt: 0, status: "waiting", startedAt: null, finishedAt: null });
