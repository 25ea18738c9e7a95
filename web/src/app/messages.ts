/** All words of the studio. Functions where words depend on what is told; numbers and times are as the reader's language has them. */

import { count, usd } from "./formats";
import type { JobStatus } from "./served/server";

export { adviceFor } from "./advice";
export { errors, notices, nowhere } from "./troubles";

export const brand = { name: "SnapAsset", home: "SnapAsset, start", skip: "Skip to your pictures" };

export const header = {
  title: "SnapAsset, the studio",
  theme: "Appearance",
  themes: { light: "Light", dark: "Dark", system: "As the system" },
  themeNow: (name: string) => `Appearance: ${name.toLowerCase()}`,
  help: "Help and keys",
  usage: "What was used",
  create: "New picture",
};

/** How news comes in, where that is worth saying. */
export const connection: Record<string, string> = {
  reconnecting: "Reconnecting",
  offline: "Offline",
  refused: "Refused",
};

export const composer = {
  title: "Describe a picture",
  prompt: "The picture",
  placeholder: "A lighthouse on a cliff after the storm, low sun, gulls",
  counted: (used: number, most: number) => `${used.toLocaleString()} / ${most.toLocaleString()}`,
  tooLong: (over: number) => `That is ${count(over, "character")} too many.`,
  empty: "Say what you want to see.",
  noPlaces: "Choose at least one place.",
  look: "The look",
  looks: {
    vivid: { name: "Vivid", hint: "Deep colour, drama" },
    natural: { name: "Natural", hint: "Calm, true to life" },
  },
  fit: "The fit",
  fits: {
    cover: { name: "Cover", hint: "Cut where there is the most to see" },
    centre: { name: "Centre", hint: "Cut around the middle" },
    contain: { name: "Contain", hint: "The whole picture, over a blurred copy of itself" },
  },
  places: "The places",
  chosen: (some: number, all: number) => `${some} of ${all}`,
  all: "All",
  none: "None",
  wholeNetwork: (network: string) => `All of ${network}`,
  covered: (by: string[]) => (by.length === 0 ? "" : `, in part under the ${by.join(" and ")}`),
  zonesNote: "Hatched: covered by the app. Keep words and faces out of it.",
  make: (places: number) => `Make ${places > 0 ? count(places, "picture") : "pictures"}`,
  sending: "Sending…",
  history: "Earlier prompts",
  historyEmpty: "What you send is kept here, in this browser.",
  forget: "Forget all",
  clear: "Clear",
  examples: [
    "A lighthouse on a cliff after the storm, low golden sun, gulls",
    "Snowy mountains at blue hour, one cabin with a lit window",
    "A desert road under a sky full of stars, calm, wide",
  ],
};

export const cost = {
  sketch: "Free: drawn by the built-in painter, no model",
  free: "Free",
  about: (dollars: number) => (dollars < 0.01 ? "Less than $0.01" : `About ${usd(dollars)}`),
  unknowable: "What it will cost cannot be told beforehand",
  unknown: "The price is shown once it is accepted",
  told: "What it costs is said here before it is sent",
  refused: (why: string, advice: string) => `It would be refused. ${why} ${advice}`.trimEnd(),
  credits: (each: number, left: number) => `${each.toLocaleString()} of ${count(left, "credit")}`,
  left: (dollars: number) => `${usd(dollars)} left today`,
  creditsLeft: (left: number) => `${count(left, "credit")} left`,
  estimated: (dollars: number) => (dollars === 0 ? "Free" : `Estimated ${usd(dollars)}`),
  was: (dollars: number) => (dollars === 0 ? "Cost nothing" : `Cost ${usd(dollars)}`),
  doubtful: (calls: number) => `${count(calls, "call")} may have been charged as well`,
  unpriced: (calls: number) => `${count(calls, "call")} did not tell the price`,
  spentToday: (dollars: number) => `${usd(dollars)} today`,
  today: "Today",
  month: "This month",
  total: "Ever",
  pictures: (made: number) => count(made, "paid picture"),
  leftToday: "Left today",
  noLimit: "No daily limit",
  creditsTitle: "Credits",
  perPicture: (each: number) => `${count(each, "credit")} a picture`,
  resets: (time: string) => `The day ends at ${time}.`,
};

export const status: Record<JobStatus | "loading", string> = {
  loading: "Looking it up",
  waiting: "Waiting for its turn",
  delayed: "Waiting for its time",
  blocked: "Waiting for another job",
  active: "In the making",
  completed: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
};

export const work = {
  region: "Your pictures",
  cancelling: "Cancelling…",
  generate: "Making the picture",
  decode: "Reading the picture",
  thumbnail: "Making a small copy",
  cutting: (place: string) => `Cutting ${place}`,
  starting: "Getting started",
  attempt: (now: number, most: number) => `attempt ${now} of ${most}`,
  again: (now: number, most: number, when: string) => `Attempt ${now} of ${most} failed, again ${when}`,
  soon: "soon",
  inSeconds: (seconds: number) => `in ${seconds} s`,
  starts: (when: string) => `Starts ${when}`,
  next: "Next in line",
  place: (position: number) => `Number ${position.toLocaleString()} in line`,
  doneIn: (time: string) => `done in ${time}`,
  readyIn: (took: string) => `Ready, made in ${took}`,
  doneAfter: (took: string) => `Done, took ${took}`,
  partly: (some: number, all: number) => `${some} of ${all} ready`,
  kept: (some: number) => `${count(some, "picture")} kept`,
  cancel: "Cancel",
  retry: "Try again",
  adjust: "Adjust",
  zip: "Download all",
  vary: "Vary",
  varyHint: "The same words, another seed",
  again2: "Make it again",
  againHint: "The same words and seed",
  made: (pictures: number) => count(pictures, "picture"),
  edit: "Edit the prompt",
  copyPage: "Copy link to this page",
  remove: "Delete",
  more: "More",
  showAll: "Show all",
  showLess: "Show less",
  sketch: "Sketch",
  sketchNote: "no model was used, nothing was paid",
  madeBy: (model: string) => `Made by ${model}`,
  understood: "Understood as",
  original: (size: string) => `Original, ${size}`,
  reused: "An earlier picture was used again: nothing was paid.",
  seed: (seed: number) => `seed ${seed}`,
  steps: "Steps",
  stepStates: { started: "under way", done: "done", failed: "failed" },
  progress: "Progress",
  kinds: { "file-cleanup": "Clearing files away" } as Record<string, string>,
  goneTitle: "This job is gone, or not yours",
  gone: "Jobs are kept for a while, pictures stay. If it was yours, look for it among what was made before, or start anew.",
  goneGeneration: "These pictures are gone",
  goneGenerationText: "They were deleted, here or elsewhere, or belong to somebody else.",
  toStart: "Start anew",
  accepted: "Accepted. Your pictures are on their way",
  acceptedCut: "Accepted. The new cuts are on their way",
  cutFailed: "The last cut failed.",
};

export const tile = {
  working: "Cutting now",
  lost: "This picture cannot be loaded.",
  open: (place: string) => `${place}, open large`,
  download: (place: string, what: string) => `Download ${place}, ${what}`,
  copy: (place: string) => `Copy link to ${place}`,
  alt: (place: string, prompt: string) => `${place}: ${prompt}`,
  fits: { cover: "", centre: "centred", contain: "whole picture" },
};

export const copied = {
  image: (until: string) => `Link copied. Anybody can open it until ${until}.`,
  page: "Link copied. It opens in this browser only.",
  failed: "The browser did not let it be copied.",
};

export const viewer = {
  close: "Close",
  previous: "Previous picture",
  next: "Next picture",
  download: "Download",
  copy: "Copy link",
  zones: "Covered parts",
};

export const adjuster = {
  close: "Close",
  title: "Adjust the cuts",
  point: "Point to keep in view",
  at: (x: number, y: number) =>
    `${Math.round(x * 100)} % from the left, ${Math.round(y * 100)} % from the top`,
  centre: "Every cut is made around the middle.",
  contain: "Nothing is cut off: the whole picture lies over a blurred copy of itself.",
  kept: (where: string) => `Kept in view: ${where}.`,
  suggested: "Found by itself. Click the picture, or use the arrow keys, to keep something else in view.",
  unknown:
    "Each cut is made where there is most to see. Click the picture, or use the arrow keys, to decide yourself.",
  unset: "Let it be found",
  made: "Made already",
  more: "More places",
  go: (places: number, fresh: number) =>
    places > 0 ? `Cut ${count(places, "picture")}${fresh === 0 ? " again" : ""}, free` : "Cut again, free",
};

export const gallery = {
  title: "Made before",
  running: "In the making",
  ended: (prompt: string) => `Ended: ${prompt.slice(0, 40)}`,
  older: "Show older pictures",
  again: "Try again",
  loading: "Loading…",
  failed: "What was made before could not be read.",
  emptyTitle: "Describe it once.\nCut for every place you post.",
  empty: "Say what you want to see and choose where it goes. Each size comes in here as soon as it is ready.",
  emptyLead: "Or start from one of these",
  made: (pictures: number) => count(pictures, "size"),
};

export const deleting = {
  title: "Delete this for good?",
  keep: "Keep",
  go: "Delete for good",
  nothing: "It is taken off the list. There are no pictures.",
  gone: (pictures: number) => `${count(pictures, "picture")} and the original will be gone for good.`,
  done: "Deleted",
};

export const help = {
  title: "Help and keys",
  close: "Close",
  lead: "Describe a picture, choose where it goes, and follow it here. The address of each job can be kept: it is there again after a reload.",
  keys: {
    send: "Make the pictures",
    history: "Earlier prompt, in an empty field",
    prompt: "Go to the prompt",
    adjust: "Adjust the cuts of what is shown",
    help: "This help",
    arrows: "Move the point to keep; with Shift ten times as far",
    viewer: "Previous and next picture, shown large",
    close: "Close what lies over the page",
  },
  single: "Keys without Ctrl, such as ? and /",
  costs: "What it costs",
  costsText:
    "One picture is paid for; all sizes are cut from it, and cutting again is free. What it costs is said before you send where that is known, else once it is accepted, and is kept with each job.",
};
