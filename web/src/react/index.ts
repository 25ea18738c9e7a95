/** SnapAsset for React: hooks that follow jobs, and a component that shows one. */

export { SnapAssetProvider, type SnapAssetProviderProps, useClient } from "./client-context";
export { JobMonitor, type JobMonitorProps } from "./JobMonitor";
export type { JobMonitorMessages } from "./job-monitor-messages";
export { messages as jobMonitorMessages } from "./job-monitor-messages";
export type { JobsFilter, JobsState } from "./jobs-store";
export { type JobStatusResult, type UseJobStatusOptions, useJobStatus } from "./use-job-status";
export { type JobsResult, type UseJobsOptions, useJobs } from "./use-jobs";
