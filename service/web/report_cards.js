// How good a model is, in words and pictures.

import { element, section, table } from "./dom.js";
import { validationPlot } from "./forecast_plot.js";
import { lossPlot } from "./loss_plot.js";
import { skillPlot } from "./skill_plot.js";
import { baselineName, compact, coverageWords, errorWords, percent, skillWords, stepsWords } from "./format.js";

export function headlineCard(model, heading = {}) {
  const { text, tone } = skillWords(model);
  const found = /^(\d+ %) (.*)$/.exec(text);
  const words = found
    ? [element("span", { class: "figure-number" }, found[1]), " ", element("span", {}, found[2])]
    : [element("span", {}, text)];
  return element(
    "section",
    { class: `card headline ${tone}`, "aria-label": "How good it is" },
    element("h2", { ...heading, tabindex: -1 }, ...words),
    element("p", {}, errorWords(model)),
    element("p", {}, coverageWords(model)),
  );
}

export function validationCard(model) {
  const shown = model.validation_forecast;
  if (!shown?.actual?.length) return null;
  const naive = baselineName(model);
  return section("Forecasts of the validation part", {}, validationPlot(shown, naive[0].toUpperCase() + naive.slice(1)).node);
}

export function stepCard(model) {
  if (!model.skill_by_step?.length) return null;
  return section("Skill by step ahead", {}, skillPlot(model.skill_by_step, baselineName(model)).node);
}

export function lossCard(model) {
  if (model.loss_curve?.epochs?.length) return section("Training of the network", {}, lossPlot(model.loss_curve).node);
  return section("Training of the network", {}, element("p", { class: "hint" }, "No network was trained: for so few values, simple methods know as much."));
}

const CANDIDATES = {
  network: "Recurrent network",
  naive: "Last value",
  seasonal_naive: "Last season",
  drift: "Drift",
  mean: "Mean",
  ridge: "Ridge regression",
  exponential_smoothing: "Exponential smoothing",
  prior: "Pre-trained prior",
  theta: "Theta",
  harmonic: "Harmonic regression",
  long_seasonal_naive: "Last week",
  double_seasonal: "Smoothing by day and week",
  croston: "Croston's method",
  tsb: "Teunter, Syntetos and Babai",
};

export function candidatesCard(model) {
  if (!model.candidates?.length) return null;
  const rows = [...model.candidates]
    .sort((one, other) => other.weight - one.weight)
    .map(({ candidate, weight, mae }) => [
      CANDIDATES[candidate] ?? candidate,
      element("span", { class: "share" }, element("meter", { min: 0, max: 1, value: weight, "aria-hidden": "true" }), percent(weight)),
      mae === null ? null : compact(mae),
    ]);
  return section(
    "Candidates",
    {},
    element("p", { class: "hint" }, "Each was tried on the past; the better it did, the more it counts."),
    table(["Method", "Share", "Error"], rows, "Candidates, their shares and errors"),
  );
}

const MEASURES = {
  mae: "Mean absolute error",
  rmse: "Root mean squared error",
  smape: "sMAPE, percent",
  mase: "MASE",
};

export function scoresCard(model) {
  const { metrics, baseline, calibration } = model;
  if (!metrics) return null;
  const rows = Object.entries(MEASURES).map(([name, title]) => [title, worded(metrics[name]), worded(baseline?.[name])]);
  for (const [level, share] of Object.entries(metrics.coverage ?? {})) {
    rows.push([`Inside the ${level} % interval`, percent(share), percent(baseline?.coverage?.[level])]);
  }
  return section(
    "Scores and calibration",
    {},
    table(["Measure", "Model", "Naive"], rows, "Errors and coverage beside the naive forecast"),
    calibration?.n_errors === undefined
      ? null
      : element("p", { class: "hint" }, `The intervals are based on ${calibration.n_errors} errors of past forecasts, up to ${stepsWords(calibration.horizon)}.`),
  );
}

function worded(value) {
  return value === null || value === undefined ? null : compact(value);
}
