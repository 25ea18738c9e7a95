// A problem that belongs to no field: said once, above the pictures, with its code and what to do about it.

import { byId, el, icon } from "./dom.js";
import { advice } from "./words.js";

export function hideBanner() {
  byId("banner").replaceChildren();
}

/** `again`, when given and worth trying, is offered as a button. */
export function showBanner(problem, again) {
  const act = () => {
    hideBanner();
    again();
  };
  const number = problem.requestId ? ` · request ${problem.requestId}` : "";
  byId("banner").replaceChildren(
    el(
      "div",
      { class: "banner" },
      icon("alert"),
      el(
        "div",
        { class: "banner-text" },
        el("p", {}, el("b", {}, problem.detail || problem.title), " ", advice(problem.code, problem.retryable)),
        el("p", { class: "code" }, `${problem.code}${number}`),
      ),
      again && problem.retryable
        ? el("button", { type: "button", class: "button", on: { click: act } }, "Try again")
        : null,
      el(
        "button",
        { type: "button", class: "button only-icon", "aria-label": "Dismiss", on: { click: hideBanner } },
        icon("cross"),
      ),
    ),
  );
  byId("banner").scrollIntoView({ block: "nearest" });
}
