// A forecast of the series before anything is trained on it, by the pre-trained forecaster of the server.

import { isAbort, post } from "./api.js";
import { element } from "./dom.js";
import { recentPlot } from "./forecast_card.js";

const LEVELS = [80, 95];
// Beyond these the request would take longer than a look is worth.
const MOST_VALUES = 100_000;
const MOST_CHARACTERS = 10_000_000;
const WORDS =
  "Instant forecast by the pre-trained forecaster: nothing was trained. Training on this series usually forecasts better.";

export class InstantForecast {
  constructor(signal) {
    this.signal = signal;
    this.node = element("div", {});
  }

  // Takes away what is shown, and what was asked for.
  clear() {
    this.asking?.abort();
    this.node.replaceChildren();
  }

  // For good: a model of its own has been trained.
  end() {
    this.ended = true;
    this.clear();
  }

  // configuration: what the server would choose for a training, null where it refuses the series.
  // Nothing is shown where there is no forecast.
  async show(form, configuration) {
    this.asking?.abort();
    const series = form.series();
    const query = form.query();
    const tooLarge = series.values.length > MOST_VALUES || form.table.text.length > MOST_CHARACTERS;
    // Combined rows and local times are known to the server only.
    const readByServer = query.has("resample.freq") || query.has("time_zone");
    if (this.ended || !configuration || tooLarge || readByServer) return this.clear();
    this.asking = new AbortController();
    const signal = AbortSignal.any([this.asking.signal, this.signal]);
    const { horizon, season_length: seasonLength } = configuration;
    const asked = { model_id: "zero-shot", history: historyOf(series, query), horizon, season_length: seasonLength, level: LEVELS };
    try {
      const { forecasts } = await post("/forecast", asked, { signal, lasting: false });
      const plot = recentPlot(form.historyOf(series.item), forecasts[0], `Instant forecast of ${series.name}`, seasonLength);
      this.node.replaceChildren(element("p", { class: "hint" }, WORDS), plot.node);
    } catch (error) {
      // It is an extra: what is wrong with a series is said of its training.
      if (!isAbort(error)) this.clear();
    }
  }
}

function historyOf({ values, labels }, query) {
  const history = { values: Array.from(values, (value) => (Number.isNaN(value) ? null : value)) };
  if (!labels) return history;
  history.timestamps = labels;
  if (query.has("date_format")) history.date_format = query.get("date_format");
  return history;
}
