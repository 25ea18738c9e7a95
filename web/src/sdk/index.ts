/** SnapAsset for JavaScript. Importing it does nothing; the functions ask the server that the page came from. */

import { type Client, createClient } from "./client";

export type * from "./client";
export { createClient } from "./client";
export type { JobListener } from "./follow";
export { ConnectionLost, isRefusal, ProblemError } from "./problem";
export type { Timing } from "./setting";
export type { SubscribeOptions, WatchOptions } from "./subscriptions";
export type * from "./types";
export type * from "./view";
export { isEnded, loadingView, reduce, viewOf } from "./view";

let client: Client | undefined;

/** The client of the page's own server, made when it is first asked for. */
export function defaultClient(): Client {
  client ??= createClient();
  return client;
}

const own =
  <N extends Exclude<keyof Client, "url">>(name: N) =>
  (...given: Parameters<Client[N]>) =>
    (defaultClient()[name] as (...given: unknown[]) => unknown)(...given) as ReturnType<Client[N]>;

export const createGenerationJob = own("createGenerationJob");
export const subscribeToJobUpdates = own("subscribeToJobUpdates");
export const waitForJob = own("waitForJob");
export const cancelJob = own("cancelJob");
export const retryJob = own("retryJob");
export const listJobs = own("listJobs");
