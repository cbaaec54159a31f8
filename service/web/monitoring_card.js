// How good the forecasts of observed values were: the status, a chart of the newest ones as they came, and scores.

import { askJson, isAbort, post } from "./api.js";
import { button, element, section, table } from "./dom.js";
import { compact, percent } from "./format.js";
import { Plot } from "./plot.js";
import { problemNotice } from "./problem_notice.js";

const SHOWN = 200;
const STATUSES = { stable: ["Stable", "good"], drifting: ["Drifting", "bad"], too_few: ["Too few values yet", ""] };

export async function monitoringCard(model, signal) {
  if (!model.series_revision) return null;
  const found = await askJson(`/models/${model.model_id}/monitoring?limit=${SHOWN}`, { signal });
  const [word, tone] = STATUSES[found.status];
  return section(
    "Forecasts of observed values",
    {},
    element("p", {}, element("strong", { class: `tone ${tone}` }, word), ` – ${found.reason}.`),
    model.champion === model.model_id ? retrainingOf(model, signal) : null,
    found.recent && chartOf(found.recent).node,
    found.windows.length ? scoresOf(found) : null,
    found.items_scored > 1 ? itemsOf(found) : null,
  );
}

function retrainingOf(model, signal) {
  const said = element("div", { role: "status" });
  async function retrain() {
    said.replaceChildren();
    try {
      const child = await post(`/models/${model.model_id}/retrain?wait=0`, {}, { signal });
      location.hash = `#/models/${child.model_id}`;
    } catch (error) {
      if (!isAbort(error)) said.replaceChildren(problemNotice(error));
    }
  }
  return element("div", {}, element("div", { class: "row" }, button("Retrain on what was observed", retrain)), said);
}

function chartOf(recent) {
  const { lower: low80, upper: high80 } = recent.intervals["80"];
  const { lower: low95, upper: high95 } = recent.intervals["95"];
  const lines = [
    { name: "Actual", values: recent.actual, colour: "actual", width: 2 },
    { name: "Forecast", values: recent.mean, colour: "forecast", width: 2 },
    { name: "95 % up to", values: high95, colour: null, width: 0 },
    { name: "95 % from", values: low95, colour: null, width: 0 },
    { name: "80 % up to", values: high80, colour: null, width: 0 },
    { name: "80 % from", values: low80, colour: null, width: 0 },
  ];
  const bands = [
    { name: "95 %", upper: 2, lower: 3, colour: "fan-95" },
    { name: "80 %", upper: 4, lower: 5, colour: "fan-80" },
  ];
  const labels = recent.timestamps ?? recent.actual.map((_, row) => `row ${recent.start_index + row}`);
  const item = recent.item === null ? "" : ` of ${recent.item}`;
  const plot = new Plot({ title: `Observed values${item} and their forecasts`, lines, bands, labels, zooms: true });
  plot.describe(`The newest ${recent.actual.length} observed values${item}, each with the forecast from the row before it and its intervals.`);
  return plot;
}

function scoresOf({ windows, training }) {
  const rows = windows.map(({ rows: size, overall }) => [size === null ? "All" : `Newest ${size}`, ...scoreCells(overall)]);
  if (training) rows.push(["In the training", ...scoreCells(training)]);
  return table(["Rows", ...MEASURES], rows, "Scores of the forecasts of observed values");
}

function itemsOf({ items, items_scored: scored, items_changed: changed }) {
  const rows = items.map(({ item, since, scores }) => [item, since, ...scoreCells(scores)]);
  return element(
    "details",
    {},
    element("summary", {}, `Items: ${changed} of ${scored} changed`),
    table(["Item", "Changed since", ...MEASURES], rows, "Items that changed, then those with the largest errors"),
  );
}

const MEASURES = ["MAE", "RMSE", "MASE", "Skill", "In 80 %", "In 95 %", "Bias"];

function scoreCells({ mae, rmse, mase, skill, coverage, bias }) {
  return [worded(mae, compact), worded(rmse, compact), worded(mase, compact), worded(skill, percent), worded(coverage?.["80"], percent), worded(coverage?.["95"], percent), worded(bias, compact)];
}

function worded(value, words) {
  return value === null || value === undefined ? null : words(value);
}
