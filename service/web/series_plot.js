// A series as it was given.

import { Plot } from "./plot.js";
import { whole } from "./wording.js";

export function seriesPlot(series) {
  const plot = new Plot({ title: `The series ${series.name}`, zooms: true, ...parts(series) });
  plot.describe(words(series));
  plot.change = (other) => {
    plot.set(parts(other).lines, null, other.labels);
    plot.describe(words(other));
  };
  return plot;
}

function parts({ name, values, labels }) {
  return { lines: [{ name, values, colour: "actual", width: 1.5 }], labels };
}

function words({ values, labels }) {
  const missing = values.reduce((count, value) => count + Number.isNaN(value), 0);
  const ends = labels ? `, from ${labels[0]} to ${labels[labels.length - 1]}` : "";
  return `${whole(values.length)} values${ends}${missing ? `; ${whole(missing)} missing` : ""}. Drag across the plot to look closer, double-click to go back.`;
}
