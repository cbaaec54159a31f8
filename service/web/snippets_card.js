// Lines that do without this page.

import { button, element, section } from "./dom.js";
import { curlLines, pythonLines, trainingOf } from "./snippets.js";

export function snippetsCard(model) {
  const training = trainingOf(model);
  const horizon = model.configuration?.horizon ?? 1;
  return section(
    "Without this page",
    {},
    snippet("curl", curlLines(model.model_id, horizon, training)),
    snippet("Python", pythonLines(model.model_id, horizon, training)),
  );
}

function snippet(name, text) {
  const said = element("span", { class: "hint", role: "status" });
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied";
    } catch {
      said.textContent = "Mark the lines and copy them: the browser does not let the page do it.";
    }
  }, { class: "plain", "aria-label": `Copy the ${name} lines` });
  return element(
    "div",
    { class: "snippet" },
    element("div", { class: "row" }, element("h3", {}, name), said, copy),
    element("pre", { tabindex: 0, role: "region", "aria-label": `${name} lines` }, element("code", {}, text)),
  );
}
