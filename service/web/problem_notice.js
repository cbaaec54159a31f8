// What went wrong, in the server's own words.

import { element } from "./dom.js";

export function problemNotice(error) {
  const others = (error.errors ?? []).filter((one) => ![one.detail, `${one.pointer}: ${one.detail}`].includes(error.message));
  return element(
    "div",
    { class: "notice bad", role: "alert" },
    element("strong", {}, error.title ?? "Something went wrong"),
    element("p", {}, error.message || "An error of the page itself; its console says more."),
    others.length
      ? element("ul", {}, others.map((one) => element("li", {}, element("code", {}, one.pointer ?? ""), ` ${one.detail}`)))
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
    element("ul", {}, warnings.map((one) => element("li", {}, one))),
  );
}
