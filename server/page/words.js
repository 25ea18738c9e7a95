// The page's words for what the server says: states, steps, errors, times, sizes.

import { renderedBy } from "./job_state.js";

const STEPS = {
  generate: "Making the picture",
  decode: "Reading the picture",
  thumbnail: "Making a small copy",
};

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
  running: "In the making",
  completed: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
};

const ADVICE = {
  bad_picture: "Try again: another picture is made.",
  content_policy: "Change the words of the prompt and send it again.",
  database_unavailable: "Nothing was lost and nothing was started. Try again in a moment.",
  dependency_failed: "Try the job it waited for again; this one then follows by itself.",
  download_refused: "Whoever runs this server has to look at where the provider keeps its pictures.",
  expired: "Try again: it then waits as long as it has to.",
  file_missing: "Make it anew, or cut it again from the original.",
  http_413: "Shorten the prompt and send it again.",
  internal_error: "This is our mistake. Try again; if it stays, tell whoever runs this server the request number.",
  job_timeout: "Try again in a moment; what was finished is kept.",
  link_expired: "Load the page again.",
  no_answer_in_time: "It may have arrived all the same: look at the list below before you send it again.",
  outcome_unknown: "It may have been charged. Look at the provider's account before you try again.",
  not_found: "It may have been deleted elsewhere. Load the page again.",
  provider_failed: "Try again in a moment.",
  provider_quota_exceeded: "Whoever runs this server has to raise the provider's quota.",
  provider_refused: "Whoever runs this server has to look at the provider's key, model and settings.",
  provider_timeout: "Try again in a moment.",
  server_unreachable: "Check that the server is running and that you are online, then try again.",
  storage_quota_exceeded: "Whoever runs this server has to make room in the storage.",
  storage_unavailable: "Try again in a moment.",
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

const SHORT = 8; // seconds; less than that is not worth counting

/** A stretch of time as roughly as it is known: "a few seconds", "about 20 s", "about 3 min", "about 2 h". */
function roughly(seconds) {
  if (seconds < SHORT) return "a few seconds";
  if (seconds < 58) return `about ${Math.round(seconds / 5) * 5} s`;
  if (seconds < 3300) return `about ${Math.max(1, Math.round(seconds / 60))} min`;
  return `about ${Math.round(seconds / 3600)} h`;
}

/** Where a job waits: its place in the queue, and when it is expected and how sure that is. Empty when unknown. */
export function standingWords({ position, eta }) {
  const place = position === 1 ? "Next in line" : position ? `Number ${position.toLocaleString()} in line` : "";
  if (!eta || !place) return place;
  return `${place}, done in ${roughly(eta.finishesIn)} (judged by ${count(eta.sampleSize, "job")})`;
}

/** How long a job that is worked on will still take; empty where that is soon or unknown. */
export const leftWords = (standing) =>
  standing?.eta?.finishesIn >= SHORT ? `${roughly(standing.eta.finishesIn)} left` : "";

/** What a blocked job waits for; `names` are the jobs' prompts, null for those that this page does not know. */
export function blockedWords(names) {
  const known = names.filter(Boolean);
  if (known.length !== 1 || names.length !== 1) return `Waits for ${count(names.length || 1, "other job")} to end`;
  return `Waits for “${known[0].length > 40 ? `${known[0].slice(0, 39).trimEnd()}…` : known[0]}” to end`;
}

/** How a picture was fitted, where that is worth saying. */
export const FIT_WORDS = { cover: "", centre: "centred", contain: "whole picture" };

/** What a place lays over a picture, as an addition to its name: "" or ", covered by header and footer". */
export function coveredWords(zones) {
  const by = [...new Set(zones.map(({ coveredBy }) => coveredBy))];
  return by.length === 0 ? "" : `, in part under the ${by.join(" and ")}`;
}

/** What is lost when a generation is deleted. */
export function deletionWords(pictures, original) {
  const parts = [pictures > 0 ? count(pictures, "picture") : "", original ? "the original" : ""].filter(Boolean);
  if (parts.length === 0) return "It is taken off the list. There are no pictures.";
  return `${parts.join(" and ").replace(/^t/, "T")} will be gone for good.`;
}

export const CUT_GROUPS = { made: "Made already", more: "More places" };

/** What decides where cuts are made: `point` as set by hand, `suggested` by the server. */
export function aimWords(fit, point, suggested) {
  if (fit === "centre") return "Every cut is made around the middle.";
  if (fit === "contain") return "Nothing is cut off: the whole picture lies over a blurred copy of itself.";
  if (point) return `Kept in view: ${pointWords(point)}.`;
  if (suggested) return "Found by itself. Click the picture, or use the arrow keys, to keep something else in view.";
  return "Each cut is made where there is most to see. Click the picture, or use the arrow keys, to decide yourself.";
}

/** `fresh` of the `places` have no picture yet. */
export function cutButtonWords(places, fresh, sending) {
  if (sending) return "Sending…";
  const again = fresh === 0 ? " again" : "";
  return places > 0 ? `Cut ${count(places, "picture")}${again}, free` : "Cut again, free";
}

/** A point of a picture, shares from the left and from the top. */
export const pointWords = ({ x, y }) => `${Math.round(x * 100)} % from the left, ${Math.round(y * 100)} % from the top`;

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
