// The forecast of a model, to any horizon.

import { isAbort, post } from "./api.js";
import { button, element, labelled, options } from "./dom.js";
import { forecastPlot } from "./forecast_plot.js";
import { problemNotice, warningsNotice } from "./problem_notice.js";

const LEVELS = [50, 80, 95];
// Beyond that, an item is named instead of picked.
const MOST_LISTED = 200;
const SHOWN_SEASONS = 4;
const FEWEST_SHOWN = 48;

// A forecast after the last seasons of its history.
export function recentPlot(history, forecast, title, seasonLength = 1) {
  const plot = forecastPlot(history, forecast, title);
  const past = history.values.length;
  const wide = Math.max(FEWEST_SHOWN, SHOWN_SEASONS * seasonLength, 2 * forecast.mean.length);
  plot.show(Math.max(0, past - wide), past + forecast.mean.length);
  return plot;
}

// historyOf: {values, labels} of an item that its forecast is drawn after.
export async function forecastCard(model, historyOf, signal, item = null) {
  const horizon = element("input", { type: "number", min: 1, step: 1, inputmode: "numeric", value: model.configuration?.horizon ?? 1 });
  const many = (model.series?.items ?? 1) > MOST_LISTED;
  const series = many ? element("input", { type: "text" }) : element("select", {});
  if (many) series.value = item ?? model.validation_forecast?.item ?? "";
  const seriesField = labelled("Series", series);
  seriesField.hidden = true;
  const place = element("div", {});
  let forecasts = [];

  function draw() {
    const forecast = forecasts[Number(many ? 0 : series.value)] ?? forecasts[0];
    const name = [forecast.target, forecast.item].filter((one) => one !== null).join(" of ");
    const history = historyOf(forecast.item, forecast.target);
    place.replaceChildren(recentPlot(history, forecast, `Forecast of ${name}`, model.configuration?.season_length).node);
  }

  async function ask() {
    place.classList.add("busy");
    try {
      const asked = { model_id: model.model_id, level: LEVELS };
      if (horizon.value) asked.horizon = Number(horizon.value);
      if (many && series.value) asked.items = [series.value];
      const answer = await post("/forecast", asked, { signal });
      const before = series.value;
      forecasts = answer.forecasts;
      const names = forecasts.map((one, number) => [String(number), [one.item, one.target].filter((part) => part !== null).join(" · ")]);
      const chosen = before || String(Math.max(0, forecasts.findIndex((one) => one.item === item)));
      if (!many) series.replaceChildren(...options(names, chosen));
      seriesField.hidden = !many && forecasts.length < 2;
      draw();
      const warnings = warningsNotice(answer.warnings.filter((one) => !model.warnings?.includes(one)));
      if (warnings) place.append(warnings);
    } catch (error) {
      if (!isAbort(error)) place.replaceChildren(problemNotice(error));
    } finally {
      place.classList.remove("busy");
    }
  }

  series.addEventListener("change", many ? ask : draw);
  horizon.addEventListener("keydown", (event) => event.key === "Enter" && ask());
  await ask();
  return element(
    "section",
    { class: "card", "aria-labelledby": "forecast" },
    element("h2", { id: "forecast" }, "Forecast"),
    element("div", { class: "fields inline" }, labelled("Steps ahead", horizon), seriesField, button("Forecast", ask)),
    place,
  );
}
