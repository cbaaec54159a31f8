// All models, newest first.

import { askJson, isAbort } from "./api.js";
import { button, element } from "./dom.js";
import { problemNotice } from "./problem_notice.js";
import { sparkline } from "./sparkline.js";
import { momentWords, skillWords, statusWords, titleOf } from "./format.js";

const PAGE = 24;

export async function modelsView(root, { signal }) {
  root.className = "stack";
  const list = element("ul", { class: "tiles" });
  const said = element("div", { role: "status" });
  let cursor = null;
  const more = button("Show more", () => add().catch((error) => isAbort(error) || said.replaceChildren(problemNotice(error))));

  async function add() {
    const query = new URLSearchParams({ limit: PAGE, ...(cursor ? { cursor } : {}) });
    const page = await askJson(`/models?${query}`, { signal });
    list.append(...page.models.map(tile));
    cursor = page.next_cursor;
    more.hidden = cursor === null;
  }

  root.append(element("header", { class: "lead" }, element("h1", {}, "Models")));
  await add();
  if (!list.children.length) {
    root.append(element("p", { class: "empty" }, "No model yet. ", element("a", { href: "#/" }, "Train the first one"), "."));
    return;
  }
  root.append(list, said, element("div", { class: "row" }, more));
}

function tile(model) {
  const { text, tone } = model.status === "ready" ? skillWords(model) : { text: statusWords(model.status), tone: model.status === "failed" ? "bad" : "even" };
  const many = model.series?.items > 1 ? ` · ${model.series.items} series` : "";
  return element(
    "li",
    { class: "tile" },
    element("h2", {}, element("a", { href: `#/models/${model.model_id}` }, titleOf(model))),
    element("p", { class: `tone ${tone}` }, text),
    element("p", { class: "hint" }, `${momentWords(model.ready_at ?? model.created_at)}${many}`),
    element("div", { class: "spark-place" }, model.status === "ready" ? sparkline(model.validation_forecast) : null),
  );
}
