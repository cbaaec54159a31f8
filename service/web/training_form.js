// What is to be forecast, and how far; the server says what it would choose where nothing is said.

import { isAbort, postCsv } from "./api.js";
import { element, labelled, options } from "./dom.js";
import { TARGET } from "./column_names.js";
import { CovariateFields } from "./covariates.js";
import { areLabels } from "./labels.js";
import { problemNotice, warningsNotice } from "./problem_notice.js";
import { frequencyWords, stepsWords, whole } from "./format.js";

const PAUSE = 300;
const LONGEST_HISTORY = 5000;
const AGGREGATIONS = ["mean", "sum", "last", "first", "max", "min"];
const DECIMAL_MARKS = [["", "find it"], ["point", "point: 1234.5"], ["comma", "comma: 1234,5"]];
// Where the form has the options that the server asks for.
const CURES = {
  "give decimal": "Choose it under “Decimal mark” in “More options”.",
  date_format: "It is “Form of the dates” in “More options”: %d for the day, %m the month, %Y or %y the year.",
  time_zone: "It is “Time zone” in “More options”.",
  "give resample": "It is “Combine rows” in “More options”: the step, and what becomes of its rows.",
};

export class TrainingForm {
  // source: {name, table}; changed: called when another series is to be shown; reread: with another decimal mark;
  // understood: with the configuration of a training, once the server understands what is chosen; null if it refuses.
  constructor(source, { changed, reread, understood }, signal) {
    this.source = source;
    this.whenUnderstood = understood;
    this.table = source.table;
    this.signal = signal;
    const { time, item, columns } = this.table;
    const numeric = columns.filter((column) => column.numbers && column.name !== time);
    // A column that says time is forecast only where the visitor chooses it.
    const targets = [...numeric].sort((one, other) => one.saysTime - other.saysTime).map((column) => column.name);
    const names = columns.map((column) => [column.name, column.name]);
    this.target = element("select", {}, options(targets.map((name) => [name, name]), TARGET));
    this.horizon = element("input", { type: "number", min: 1, step: 1, inputmode: "numeric", placeholder: "automatic" });
    this.name = element("input", { type: "text", maxlength: 200, value: source.name.replace(/\.[a-z]+$/i, "") });
    this.time = element("select", {}, options([["", "find it"], ...names], time ?? ""));
    this.item = element("select", {}, options([["", "one series"], ...names], item ?? ""));
    this.shown = element("select", {});
    this.season = element("input", { type: "number", min: 1, step: 1, inputmode: "numeric", placeholder: "automatic" });
    this.dates = element("input", { type: "text", placeholder: "%d-%m-%Y" });
    this.zone = element("input", { type: "text", placeholder: "Europe/Berlin" });
    this.step = element("input", { type: "text", placeholder: "5min, D, W" });
    this.how = element("select", {}, options(AGGREGATIONS.map((name) => [name, name]), "mean"));
    this.nonnegative = element("input", { type: "checkbox", id: "nonnegative" });
    const helping = columns.filter((column) => numeric.includes(column) || (!column.saysTime && areLabels(column.texts)));
    this.helping = new CovariateFields(helping.map((column) => column.name));
    this.decimal = element("select", { id: "decimal" }, options(DECIMAL_MARKS, this.table.decimal));
    this.decimal.addEventListener("change", () => reread(this.decimal.value));
    this.understood = element("div", { class: "understood", "aria-live": "polite" });
    this.#lay();
    for (const control of [this.target, this.time, this.item]) {
      control.addEventListener("change", () => {
        this.#fill();
        changed();
      });
    }
    this.shown.addEventListener("change", changed);
    this.node.addEventListener("input", () => this.#askSoon());
    this.#fill();
    this.#ask();
  }

  #lay() {
    this.shownField = labelled("Show", this.shown);
    this.node = element(
      "div",
      {},
      element(
        "div",
        { class: "fields" },
        labelled("Forecast this column", this.target),
        labelled("Steps ahead", this.horizon, "Left empty: one season"),
        labelled("Name of the model", this.name),
        this.shownField,
      ),
      (this.more = element(
        "details",
        {},
        element("summary", {}, "More options"),
        element(
          "div",
          { class: "fields" },
          labelled("Column of times", this.time),
          labelled("Item column", this.item),
          labelled("Steps in a season", this.season, "1: none"),
          labelled("Form of the dates", this.dates, "If they are ambiguous or in an unknown form"),
          labelled("Time zone", this.zone, "If clocks are changed, and the times are local"),
          labelled("Combine rows", this.step, "Into steps of this length: irregular times, or days to weeks"),
          labelled("Combined to their", this.how),
          labelled("Decimal mark", this.decimal, "If 1.005 may be 1.005 or 1005"),
        ),
        element("div", { class: "check" }, this.nonnegative, element("label", { for: "nonnegative" }, "It is never below 0")),
        this.helping.node,
      )),
      this.understood,
    );
  }

  #column(name) {
    return this.table.columns.find((column) => column.name === name);
  }

  #fill() {
    this.helping.offer([this.target.value, this.time.value, this.item.value]);
    const items = this.item.value ? [...new Set(this.#column(this.item.value).texts)] : [];
    this.shown.replaceChildren(...options(items.map((one) => [one, one])));
    this.shownField.hidden = items.length === 0;
  }

  // The rows of the target, and of the item that is shown: {name, item, values, labels}.
  series() {
    const numbers = this.#column(this.target.value).numbers;
    const times = this.time.value ? this.#column(this.time.value).texts : null;
    const item = this.item.value ? this.shown.value : null;
    if (item === null) return { name: this.target.value, item, values: numbers, labels: times };
    const whose = this.#column(this.item.value).texts;
    const rows = [];
    whose.forEach((one, row) => one === item && rows.push(row));
    return {
      name: `${this.target.value} of ${item}`,
      item,
      values: Float64Array.from(rows, (row) => numbers[row]),
      labels: times && rows.map((row) => times[row]),
    };
  }

  // What a forecast is drawn after; of any item.
  historyOf(item) {
    const before = this.shown.value;
    if (item !== null) this.shown.value = item;
    const { values, labels } = this.series();
    this.shown.value = before;
    const known = Array.from(values.slice(-LONGEST_HISTORY), (value) => (Number.isNaN(value) ? null : value));
    return { values: known, labels: labels && labels.slice(-LONGEST_HISTORY) };
  }

  query() {
    const query = new URLSearchParams({ target: this.target.value });
    const given = {
      // What the page found, the server finds too; or knows better.
      time: this.time.value === this.table.time ? "" : this.time.value,
      item: this.item.value,
      horizon: this.horizon.value,
      season_length: this.season.value,
      date_format: this.dates.value.trim(),
      decimal: this.decimal.value,
      time_zone: this.zone.value.trim(),
      "resample.freq": this.step.value.trim(),
      "resample.how": this.step.value.trim() && this.how.value,
      name: this.name.value.trim(),
    };
    for (const [name, value] of Object.entries(given)) if (value) query.set(name, value);
    for (const name of this.helping.chosen) query.append("covariates", name);
    if (this.nonnegative.checked) query.set("nonnegative", "true");
    return query;
  }

  // As it was left: the inverse of `query`.
  restore(query) {
    const text = (name) => query.get(name) ?? "";
    // Read with another decimal mark, it may have no numbers.
    if ([...this.target.options].some((one) => one.value === text("target"))) this.target.value = text("target");
    this.time.value = text("time") || (this.table.time ?? "");
    this.item.value = text("item");
    this.horizon.value = text("horizon");
    this.season.value = text("season_length");
    this.dates.value = text("date_format");
    this.decimal.value = text("decimal");
    this.zone.value = text("time_zone");
    this.step.value = text("resample.freq");
    this.how.value = text("resample.how") || "mean";
    this.name.value = text("name");
    this.nonnegative.checked = query.has("nonnegative");
    this.helping.choose(query.getAll("covariates"));
    this.#fill();
  }

  #askSoon() {
    clearTimeout(this.soon);
    this.asking?.abort();
    this.soon = setTimeout(() => this.#ask(), PAUSE);
  }

  async #ask() {
    this.asking?.abort();
    this.asking = new AbortController();
    const signal = AbortSignal.any([this.asking.signal, this.signal]);
    try {
      const query = this.query();
      query.set("dry_run", "true");
      const answer = await postCsv("/train", query, this.table.text, { signal });
      this.understood.replaceChildren(...told(answer));
      this.whenUnderstood(answer.configuration);
    } catch (error) {
      if (!isAbort(error)) this.refuse(error);
    }
  }

  // Says why the series cannot be used, and where in this form it can be mended.
  refuse(error) {
    this.whenUnderstood(null);
    const [, cure] = Object.entries(CURES).find(([words]) => error.message.includes(words)) ?? [];
    this.understood.replaceChildren(problemNotice(error), ...(cure ? [element("p", {}, cure)] : []));
    if (cure) this.more.open = true;
  }
}

function told({ series, configuration, warnings }) {
  const chosen = configuration.chosen ?? {};
  const span = series.start ? ` from ${series.start} to ${series.end}` : "";
  const facts = [
    `${series.items > 1 ? `${whole(series.items)} series, ` : ""}${whole(series.points ?? series.rows)} values${span}`,
    series.freq ? frequencyWords(series.freq) : null,
    series.gaps ? `${whole(series.gaps)} ${series.gaps === 1 ? "gap" : "gaps"} between times` : null,
    series.missing ? `${whole(series.missing)} missing` : null,
    `${stepsWords(configuration.horizon)}${chosen.horizon ? ` (${chosen.horizon})` : ""}`,
    configuration.season_length > 1 ? `a season of ${configuration.season_length} steps` : "no season",
  ];
  return [
    element("p", {}, element("strong", {}, "Understood: "), `${facts.filter(Boolean).join(" · ")}.`),
    warningsNotice(warnings),
  ].filter(Boolean);
}
