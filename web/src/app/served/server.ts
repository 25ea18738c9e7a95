/** The one door to the server: what the studio takes from src/sdk and src/react, and nothing else of them. */

import type { JobStatusResult as StatusResult } from "../../react";
import { defaultClient } from "../../sdk";

export { useJobStatus, useJobs } from "../../react";
export type {
  Fit,
  FocalPoint,
  Generation,
  Health,
  ImageGenerationArgs,
  ImageType,
  Job,
  JobError,
  JobEstimate,
  JobStatus,
  JobView,
  Kind,
  Platform,
  RenderedPicture,
  StoredPicture,
  Usage,
} from "../../sdk";
export { ConnectionLost, isEnded, ProblemError } from "../../sdk";
export type JobStatusResult = StatusResult;

/** The client of the server that the page came from. */
export const server = defaultClient();

/**
 * Waits until the server knows this browser, which the stream of news sees to, or until no stream can be had. What is sent
 * before that has no owner yet and is refused once, for nothing.
 */
export const known = (): Promise<void> =>
  new Promise((resolve) => {
    const settled = new AbortController();
    server.watchJobs({
      signal: settled.signal,
      onEvent() {},
      onConnection(state) {
        if (state === "connecting" || state === "idle") return;
        settled.abort();
        resolve();
      },
    });
  });
