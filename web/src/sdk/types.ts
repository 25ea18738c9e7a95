/** Names for what the schema says, and for what a caller gives. Types only. */

import type { components } from "./schema";

type Schemas = components["schemas"];

/** Fields that the server fills in when they are not given are not asked for. */
type Given<T, K extends keyof T> = Pick<T, K> & { [P in Exclude<keyof T, K>]?: T[P] | undefined };

export type Job = Schemas["Job"];
export type JobStatus = Schemas["JobStatus"];
export type JobAccepted = Schemas["JobAccepted"];
export type JobEstimate = Schemas["JobEstimate"];
export type JobList = Schemas["JobList"];
export type JobError = Schemas["JobError"];
export type JobResult = Schemas["JobResult"];
export type JobOptions = Given<Schemas["JobOptions"], never>;
export type Cost = Schemas["Cost"];
export type Eta = Schemas["Eta"];

export type SnapshotEvent = Schemas["SnapshotEvent"];
export type ResumedEvent = Schemas["ResumedEvent"];
export type ChangeEvent = Schemas["ChangeEvent"];
export type TickEvent = Schemas["TickEvent"];
export type ErrorEvent = Schemas["ErrorEvent"];
export type FinalEvent = Schemas["FinalEvent"];
/** An event that is kept: it has a seq, and is told exactly once. */
export type DurableEvent = ChangeEvent | ErrorEvent | FinalEvent;
export type JobEvent = Schemas["JobEvent"];
export type OwnerEvent = Schemas["OwnerEvent"];
export type Timeline = Schemas["Timeline"];

export type Problem = Schemas["Problem"];
export type FieldProblem = Schemas["FieldProblem"];

export type Platform = Schemas["Platform"];
export type Fit = Schemas["Fit"];
export type ImageType = Schemas["ImageType"];
export type FocalPoint = Schemas["FocalPoint"];
export type ImageGenerationArgs = Given<Schemas["ImageGenerationArgs"], "prompt" | "platforms">;
export type RenditionsArgs = Given<Omit<Schemas["NewRenditions"], "options">, "platforms">;
export type ImageGenerationResult = Schemas["ImageGenerationResult"];
export type Preview = Schemas["Preview"];
export type StoredPicture = Schemas["StoredPicture"];
export type RenderedPicture = Schemas["RenderedPicture"];
export type FailedPicture = Schemas["FailedPicture"];

export type Generation = Schemas["Generation"];
export type GenerationList = Schemas["GenerationList"];
export type Removal = Schemas["Removal"];
export type Kind = Schemas["Kind"];
export type Kinds = Schemas["Kinds"];
export type Usage = Schemas["Usage"];
export type Health = Schemas["Health"];
export type EventsToken = Schemas["EventsToken"];

/**
 * How news comes in, which is not how the job is: `live` by a stream, `polling` by asking where no stream gets through,
 * `refused` when the server said no for good, `closed` when there is nothing more to come.
 */
export type ConnectionState =
  | "idle"
  | "connecting"
  | "live"
  | "reconnecting"
  | "polling"
  | "offline"
  | "closed"
  | "refused";
