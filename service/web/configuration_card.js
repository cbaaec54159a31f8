// Every option as it was used, and why it was chosen.

import { element, section, table } from "./dom.js";

export function configurationCard(model) {
  const { chosen = {}, ...used } = model.configuration ?? {};
  const rows = [...flat(used)].map(([name, value]) => [element("code", {}, name), value, chosen[name] ?? ""]);
  const lineage = [...flat(model.lineage ?? {})].map(([name, value]) => [element("code", {}, name), value]);
  return section(
    "Configuration",
    {},
    table(["Option", "Value", "Why"], rows, "Options as used, and why they were chosen"),
    element(
      "details",
      {},
      element("summary", {}, "Lineage"),
      table(["Fact", "Value"], lineage, "Data, seed and versions"),
    ),
  );
}

function* flat(options, prefix = "") {
  for (const [name, value] of Object.entries(options)) {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) yield* flat(value, `${prefix}${name}.`);
    else yield [`${prefix}${name}`, worded(value)];
  }
}

function worded(value) {
  if (value === null) return "–";
  return Array.isArray(value) ? value.join(", ") || "none" : String(value);
}
