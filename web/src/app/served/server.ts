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
