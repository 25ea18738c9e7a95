/** The part of `messages` that goes by the server's codes: what can be done about an error. */

const ADVICE: Record<string, string> = {
  bad_picture: "Try again: another picture is made.",
  conflict: "It has changed meanwhile. Look at it once more.",
  content_policy: "Change the words of the prompt and send it again.",
  database_unavailable: "Nothing was lost and nothing was started. Try again in a moment.",
  dependency_failed: "Try the job it waited for again; this one then follows by itself.",
  download_refused: "Whoever runs this server has to look at where the provider keeps its pictures.",
  expired: "Try again: it then waits as long as it has to.",
  file_missing: "Make it anew, or cut it again from the original.",
  body_too_large: "Shorten the prompt and send it again.",
  internal_error:
    "This is our mistake. Try again; if it stays, tell whoever runs this server the request number.",
  job_timeout: "Try again in a moment; what was finished is kept.",
  link_expired: "Load the page again.",
  not_enough_credits: "Ask whoever runs this server for more credits.",
  not_found: "It may have been deleted elsewhere. Load the page again.",
  outcome_unknown: "It may have been charged. Look at the provider's account before you try again.",
  provider_answer_lost: "It may have been charged. Look at the provider's account before you try again.",
  provider_quota_exceeded: "Whoever runs this server has to raise the provider's quota.",
  provider_refused: "Whoever runs this server has to look at the provider's key, model and settings.",
  connection_lost: "Your words are kept. Try again when the server is back.",
  spend_cap_reached: "Try again tomorrow, or ask whoever runs this server.",
  storage_quota_exceeded: "Whoever runs this server has to make room in the storage.",
  too_many_jobs: "Wait until some of your jobs have ended, or cancel one.",
  unknown_kind: "This server does not make pictures.",
  worker_lost: "Try again. If it happens twice, the server's log tells why.",
};

/** What a person can do about an error. */
export const adviceFor = (code: string, retryable: boolean): string =>
  ADVICE[code] ?? (retryable ? "Try again in a moment." : "");
