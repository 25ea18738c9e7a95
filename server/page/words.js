// The page's words for what the server says: states, steps, errors, times, sizes.

import { renderedBy } from "./job_state.js";

const STEPS = { generate: "Making the picture", decode: "Reading the picture" };

/** What a step does, in words; `place` turns a platform's name into its label. */
export function stepWords(step, place) {
  const platform = renderedBy(step);
  if (platform) return `Cutting ${place(platform)}`;
  if (!step) return "Getting started";
  return STEPS[step] ?? step.replace(/[-_]/g, " ");
}

export const STATUS_WORDS = {
  waiting: "Waiting for its turn",
  delayed: "Waiting for its time",
  blocked: "Waiting for another job",
  active: "In the making",
  completed: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
};

const ADVICE = {
  content_policy: "Change the words of the prompt and send it again.",
  conflict: "The job has moved on. What you see here is its newest state.",
  database_unavailable: "Nothing was lost and nothing was started. Try again in a moment.",
  http_413: "Shorten the prompt and send it again.",
  internal_error: "This is our mistake. Try again; if it stays, tell whoever runs this server the request number.",
  no_answer_in_time: "It may have arrived all the same: look at the list below before you send it again.",
  outcome_unknown: "It may have been charged. Look at the provider's account before you try again.",
  provider_failed: "Try again in a moment.",
  provider_quota_exceeded: "Whoever runs this server has to raise the provider's quota.",
  provider_timeout: "Try again in a moment.",
  server_unreachable: "Check that the server is running and that you are online, then try again.",
  storage_quota_exceeded: "Whoever runs this server has to make room in the storage.",
  storage_upload_failed: "Try again in a moment.",
  too_many_jobs: "Wait until some of your jobs have ended, or cancel one.",
  unknown_kind: "This server does not make pictures.",
  worker_lost: "Try again. If it happens twice, the server's log tells why.",
};

/** What a person can do about an error. */
export const advice = (code, retryable) => ADVICE[code] ?? (retryable ? "Try again in a moment." : "");

/** How to name a link's state beside its dot. */
export const LINK_WORDS = {
  idle: "ready",
  live: "live",
  asking: "checked every few seconds",
  reconnecting: "reconnecting",
  offline: "offline",
};

/** Whole seconds until `then` (RFC 3339) from `now` (ms), at least 0. */
export const secondsUntil = (then, now) => Math.max(0, Math.ceil((Date.parse(then) - now) / 1000));

/** A wait in words: "4 s", "2 min", or a time of day when it is far. */
export function waitWords(then, now) {
  const seconds = secondsUntil(then, now);
  if (seconds < 100) return `in ${seconds} s`;
  if (seconds < 3600) return `in ${Math.round(seconds / 60)} min`;
  return `at ${clock.format(new Date(then))}`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** When something was, seen from `now` (ms). */
export function agoWords(then, now) {
  const seconds = (now - Date.parse(then)) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3300) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  const sameDay = new Date(then).toDateString() === new Date(now).toDateString();
  return (sameDay ? clock : day).format(new Date(then));
}

/** How long something took: "0.8 s", "12 s", "3 min 5 s". */
export function tookWords(from, to) {
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** Bytes as people count them. */
export function sizeWords(bytes) {
  if (bytes < 1_000_000) return `${Math.max(1, Math.round(bytes / 1000))}\u00a0kB`;
  return `${(bytes / 1_000_000).toFixed(1)}\u00a0MB`;
}

/** "image/jpeg" → "JPEG". */
export const formatWords = (contentType) => (contentType ?? "").replace("image/", "").toUpperCase();

/** "1 size", "4 sizes". */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;
