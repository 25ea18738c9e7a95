/** A list of jobs on a page, and the server that has them. */

import { render, waitFor } from "@testing-library/react";
import { expect } from "vitest";
import { type JobsResult, type UseJobsOptions, useJobs } from "../../src/react";
import type { Client, Job } from "../../src/sdk";
import { clientOf, jobOf } from "../sdk/made";
import { type Asked, type Connection, type ScriptedServer, scriptedServer } from "../sdk/scripted-server";
import "./stage";

export const idOf = (n: number) => `01980000-0000-7000-8000-0000000001${String(n).padStart(2, "0")}`;
/** The nth job of a caller, each a minute younger than the one before. */
export const nth = (n: number, fields: Partial<Job> = {}): Job =>
  jobOf({ jobId: idOf(n), createdAt: `2026-01-01T00:${String(n).padStart(2, "0")}:00.000Z`, ...fields });

export function List({ log, ...options }: UseJobsOptions & { log: JobsResult[] }) {
  log.push(useJobs(options));
  return null;
}

export interface Listed {
  server: ScriptedServer;
  client: Client;
  stream: Connection;
  log: JobsResult[];
  /** What the server lists; may be changed. */
  jobs: Job[];
  last(): JobsResult;
  names(): string[];
}

/** A list that is live; `jobs` are on the server, in its order. */
export async function listed(jobs: Job[], options: UseJobsOptions = {}): Promise<Listed> {
  const server = await scriptedServer();
  const client = clientOf(server, { sharing: "tab" });
  const log: JobsResult[] = [];
  serve(server, jobs);
  render(<List client={client} log={log} {...options} />);
  const stream = (await server.stream()).open().event({ type: "connected" }, "0-0");
  const last = () => log.at(-1) as JobsResult;
  await waitFor(() => expect(last()).toMatchObject({ isLoading: false, connection: "live" }));
  await waitFor(() => expect(server.count("GET /api/jobs")).toBe(2));
  await server.moment();
  return {
    ...{ server, client, stream, log, jobs, last },
    names: () => last().jobs.map(({ jobId }) => jobId),
  };
}

export function serve(server: ScriptedServer, jobs: Job[]): void {
  server.route("GET /api/jobs", ({ query }: Asked) => {
    const [from, limit] = [Number(query.get("cursor")), Number(query.get("limit"))];
    const page = jobs.slice(from, from + limit);
    return { body: { jobs: page, nextCursor: jobs.length > from + limit ? String(from + limit) : null } };
  });
}

export const asked = (server: ScriptedServer, n: number) => server.count(`GET /api/jobs/${idOf(n)}`);
export const has = (server: ScriptedServer, job: Job) =>
  server.route(`GET /api/jobs/${job.jobId}`, () => ({ body: job }));
