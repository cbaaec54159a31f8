// How much better than the naive forecast a model is, by how far it looks ahead.

import { Plot } from "./plot.js";

export function skillPlot(skillByStep, naive) {
  const values = skillByStep.map((skill) => (skill === null ? null : Math.max(-100, skill * 100)));
  const plot = new Plot({
    title: "Better by step ahead",
    lines: [{ name: "Better", values, colour: "good", fill: "good-soft", bars: values.length > 1, points: values.length < 2 }],
    x: Float64Array.from(values, (_, place) => place + 1),
    height: 220,
    unit: " %",
  });
  plot.describe(`Percent by which the error is below that of ${naive}, for each step ahead.`);
  return plot;
}
