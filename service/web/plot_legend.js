// What is drawn in which colour, and the values under the pointer.

import { element } from "./dom.js";
import { compact } from "./format.js";

export class PlotLegend {
  constructor(lines, bands, unit) {
    this.unit = unit;
    this.step = element("span", { class: "legend-step" });
    this.entries = [
      ...lines.map((line, place) => ({ kind: line.dash ? "dashed" : "line", places: [place], ...line })).filter((line) => line.colour),
      ...bands.map((band) => ({ kind: "band", places: [band.lower, band.upper], ...band })),
    ].map((entry) => ({ ...entry, value: element("span", { class: "legend-value" }) }));
    this.node = element(
      "div",
      { class: "legend", "aria-hidden": "true" },
      this.entries.map((entry) => element("span", { class: "legend-entry" }, swatch(entry), entry.name, entry.value)),
      this.step,
    );
  }

  // data: what the chart draws; row: the place under the pointer, or null.
  show(data, row, label) {
    this.step.textContent = row === null ? "" : label;
    for (const { places, value } of this.entries) {
      const known = row === null ? [] : places.map((place) => data[place + 1]?.[row]).filter((one) => one !== null && one !== undefined);
      value.textContent = known.map((one) => `${compact(one)}${this.unit}`).join(" to ");
    }
  }
}

function swatch({ kind, colour }) {
  const node = element("i", { class: `swatch ${kind}` });
  node.style.color = `var(--${colour})`;
  return node;
}
