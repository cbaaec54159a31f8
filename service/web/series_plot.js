// A series as it was given.

import { Plot } from "./plot.js";
import { whole } from "./format.js";

export function seriesPlot({ name, values, labels }) {
  const lines = [{ name, values, colour: "actual", width: 1.5 }];
  const plot = new Plot({ title: `The series ${name}`, lines, labels, zooms: true });
  const missing = values.reduce((count, value) => count + Number.isNaN(value), 0);
  const ends = labels ? `, from ${labels[0]} to ${labels[labels.length - 1]}` : "";
  const facts = `${whole(values.length)} values${ends}${missing ? `; ${whole(missing)} missing` : ""}`;
  plot.describe(`${facts}. Drag across the plot to look closer, double-click to go back.`);
  return plot;
}
