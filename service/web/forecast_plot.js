// Actual values and forecasts with their intervals; and the forecasts of the part after the split.

import { Plot } from "./plot.js";
import { compact, stepsWords } from "./format.js";

const FAN = { 95: "fan-95", 80: "fan-80", 50: "fan-50" };

// history: {values, labels} before the forecast; forecast: an element of /forecast's answer.
export function forecastPlot(history, forecast, title) {
  const past = history.values.length;
  const ahead = forecast.mean.length;
  const none = (count) => new Array(count).fill(null);
  // The lines join at the last value.
  const last = past ? history.values[past - 1] : null;
  const joined = (values) => [...none(Math.max(0, past - 1)), ...(past ? [last] : []), ...values];
  const lines = [
    { name: "Actual", values: [...history.values, ...none(ahead)], colour: "actual" },
    { name: "Forecast", values: joined(forecast.mean), colour: "forecast", width: 2.25 },
  ];
  const bands = [];
  for (const [level, ends] of byWidth(forecast.intervals)) {
    lines.push({ name: `${level} % up to`, values: joined(ends.upper), colour: null, width: 0 });
    lines.push({ name: `${level} % from`, values: joined(ends.lower), colour: null, width: 0 });
    bands.push({ name: `${level} %`, upper: lines.length - 2, lower: lines.length - 1, colour: FAN[level] ?? "fan-80" });
  }
  const labels = labelsOf(history, forecast.timestamps, past, ahead);
  const plot = new Plot({ title, lines, bands, labels, now: past ? past - 1 : null, zooms: true, height: 340 });
  plot.describe(forecastWords(forecast, ahead));
  return plot;
}

function labelsOf(history, timestamps, past, ahead) {
  if (history.labels && timestamps) return [...history.labels, ...timestamps];
  if (!past && timestamps) return timestamps;
  return Array.from({ length: past + ahead }, (_, row) => (row < past ? `${row - past + 1}` : `+${row - past + 1}`));
}

function forecastWords(forecast, ahead) {
  const [level, ends] = byWidth(forecast.intervals).find(([one]) => Number(one) <= 80) ?? [];
  const when = forecast.timestamps ? `for ${forecast.timestamps[ahead - 1]}` : stepsWords(ahead);
  const range = level ? `, with ${level} % between ${compact(ends.lower[ahead - 1])} and ${compact(ends.upper[ahead - 1])}` : "";
  return `The forecast ${when} is ${compact(forecast.mean[ahead - 1])}${range}.`;
}

function byWidth(intervals) {
  return Object.entries(intervals ?? {}).sort(([one], [other]) => Number(other) - Number(one));
}

// shown: `validation_forecast` of a model's record; naive: the baseline in words.
export function validationPlot(shown, naive) {
  const lines = [
    { name: "Actual", values: shown.actual, colour: "actual", width: 2 },
    { name: "Model", values: shown.mean, colour: "forecast", width: 2 },
    { name: naive, values: shown.naive, colour: "naive", dash: [5, 4], width: 1.5 },
  ];
  const bands = [];
  const ends = shown.intervals["80"];
  if (ends) {
    lines.push({ name: "80 % up to", values: ends.upper, colour: null, width: 0 });
    lines.push({ name: "80 % from", values: ends.lower, colour: null, width: 0 });
    bands.push({ name: "80 %", upper: 3, lower: 4, colour: "fan-80" });
  }
  const item = shown.item === null ? "" : ` of ${shown.item}`;
  const plot = new Plot({ title: `Forecast and actual values${item}`, lines, bands, labels: shown.timestamps });
  plot.describe(
    `The latest ${shown.actual.length} values${item} after the split, forecast in ` +
      `${shown.origins.length === 1 ? "one go" : `${shown.origins.length} forecasts, one after another`}, before the model saw any of them. The band is the 80 % interval.`,
  );
  return plot;
}
