// Columns of text that help with a forecast: booleans and categories, as service/tables/labels.py takes them.

import { isMissing, isNumber } from "./number_format.js";

const MOST_LABELS = 50;

// Tells whether cells are worth offering as categories: few different ones, of which most are not numbers.
export function areLabels(texts) {
  const found = new Set(texts);
  if (found.size < 2 || found.size > MOST_LABELS) return false;
  const known = [...found].filter((cell) => !isMissing(cell) || cell.toLowerCase() === "none");
  return known.filter((cell) => isNumber(cell) && !isMissing(cell)).length * 2 < known.length;
}
