// A few values, word-sized.

import { drawing } from "./dom.js";

const WIDTH = 132;
const HEIGHT = 34;
const EDGE = 3;

// shown: a model's `validation_forecast`: what came, and the model beside it.
export function sparkline(shown) {
  const lines = [shown?.actual ?? [], shown?.mean ?? []];
  const known = lines.flat().filter(Number.isFinite);
  if (!known.length) return null;
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const rows = Math.max(...lines.map((line) => line.length), 2);
  const x = (row) => (EDGE + (row / (rows - 1)) * (WIDTH - 2 * EDGE)).toFixed(1);
  const y = (value) => (HEIGHT - EDGE - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE)).toFixed(1);
  const path = (values) => {
    let pen = "M";
    return values.map((value, row) => {
      if (!Number.isFinite(value)) {
        pen = "M";
        return "";
      }
      const step = `${pen}${x(row)} ${y(value)}`;
      pen = "L";
      return step;
    }).join("");
  };
  return drawing(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": "Actual values after the split, and the model's forecast" },
    drawing("path", { d: path(lines[0]), class: "spark-actual" }),
    drawing("path", { d: path(lines[1]), class: "spark-forecast" }),
  );
}
