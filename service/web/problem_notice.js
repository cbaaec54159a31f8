// What went wrong, in the server's own words, except for options that have a control in the form.

import { element } from "./dom.js";

const CONTROLS = [
  ["name them with covariates= or future_covariates= to use them", "choose what helps under “Columns that help” in “More options”"],
  [/give item=(.+)$/, "choose $1 under “Item column” in “More options”"],
  ["name another with time=", "choose another under “Column of times” in “More options”"],
];

function inPageWords(text) {
  return CONTROLS.reduce((said, [option, control]) => said.replace(option, control), text);
}

export function problemNotice(error) {
  const others = (error.errors ?? []).filter((one) => ![one.detail, `${one.pointer}: ${one.detail}`].includes(error.message));
  return element(
    "div",
    { class: "notice bad", role: "alert" },
    element("strong", {}, error.title ?? "Something went wrong"),
    element("p", {}, inPageWords(error.message) || "An error of the page itself; its console says more."),
    others.length
      ? element("ul", {}, others.map((one) => element("li", {}, element("code", {}, one.pointer ?? ""), ` ${inPageWords(one.detail)}`)))
      : null,
    error.requestId ? element("small", {}, `Request ${error.requestId}`) : null,
  );
}

export function warningsNotice(warnings) {
  if (!warnings?.length) return null;
  return element(
    "div",
    { class: "notice warn" },
    element("strong", {}, "Before you trust it"),
    element("ul", {}, warnings.map((one) => element("li", {}, inPageWords(one)))),
  );
}
