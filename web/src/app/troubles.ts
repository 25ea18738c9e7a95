/** The part of `messages` that tells what is not as usual: of the service, of a part of the page, of an address. */

export const notices = {
  dismiss: "Dismiss",
  show: "Show what is not as usual",
  again: "Try again",
  request: (id: string) => `request ${id}`,
  offline: [
    "You are offline.",
    "What runs on the server goes on. This page catches up by itself when you are back.",
  ],
  serverAway: [
    "The server cannot be reached.",
    "Nothing you sent is lost. This page asks again every few seconds and catches up by itself.",
  ],
  between: [
    "Something between this browser and the server answers in its place.",
    "It may be a network's page for signing in, or a proxy. Load this page again, or open any other, and do what is asked for there; this page then goes on by itself. Your words are kept.",
  ],
  database: [
    "The record of jobs is away.",
    "Nothing new can be taken on for the moment. What was accepted is safe and goes on when it is back.",
  ],
  redis: [
    "Redis, which shares out the work, is away.",
    "Your pictures are made all the same, and nothing is lost. It may take a little longer; all is as usual again when it is back.",
  ],
  storage: [
    "The storage is away.",
    "Pictures cannot be put away for the moment. What was paid for is kept and not paid for again.",
  ],
  storageFull: [
    "The storage is full.",
    "Make room by deleting what is no longer needed, or tell whoever runs this server.",
  ],
  provider: [
    "Whoever makes the pictures cannot be reached.",
    "Jobs wait and are tried again. Nothing is charged meanwhile.",
  ],
  users: ["Who has signed in cannot be checked for the moment.", ""],
  paused: ["Pictures are paused on this server.", ""],
  nobody: ["Nobody works on pictures just now.", "Jobs wait, and begin as soon as a worker is there."],
} as const satisfies Record<string, unknown>;

export const errors = {
  catalogue: "Asking what can be made here…",
  early:
    "What can be made here is still being asked for. Your words are kept: send them when the places are shown.",
  unknownTitle: "Something went wrong on this page.",
  away: "The server could not be reached.",
  crashed: "This part of the page failed.",
  renewed: [
    "This part of the page could not be fetched.",
    "Most likely the page was renewed meanwhile. Load it again to go on; what you wrote stays.",
  ],
  failedPart: ["This part of the page failed.", "The rest goes on. What you wrote stays."],
  close: "Close",
  reload: "Load the page again",
} as const;

export const nowhere = {
  title: "There is nothing at this address",
  text: "It may have been cut off when it was copied. What you have made is still there, under its own address.",
  toStart: "To the beginning",
};
