// Which model a model was retrained from, which of the two is better, and why.

import { element } from "./dom.js";

export function lineageNote({ lineage, champion, model_id: modelId }) {
  const link = (id) => element("a", { href: `#/models/${id}` }, `model ${id.slice(0, 8)}`);
  const parts = [];
  if (lineage?.verdict) parts.push("Retrained from ", link(lineage.parent), `: ${lineage.verdict.reason}. `);
  if (champion !== modelId) parts.push("The best model of its line is ", link(champion), ".");
  return parts.length ? element("p", { class: "hint" }, ...parts) : null;
}
