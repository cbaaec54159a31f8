// From a file to a forecast.

import { askJson, isAbort, newIdempotencyKey, postCsv } from "./api.js";
import { button, element } from "./elements.js";
import { forecastCard } from "./forecast_card.js";
import { headlineCard, validationCard } from "./report_cards.js";
import { problemNotice, warningsNotice } from "./problem_notice.js";
import { seriesPlot } from "./series_plot.js";
import { SetupForm } from "./setup_form.js";
import { sourceCard } from "./source_card.js";
import { TrainingPanel } from "./training_panel.js";

// What was loaded is still there when the visitor comes back from another view.
let kept = null;

export async function trainView(root, { signal }) {
  const setup = element("div", {});
  const result = element("div", { class: "stack" });
  const take = (source) => {
    kept = source;
    result.replaceChildren();
    setup.replaceChildren(setupCard(source, result, signal));
  };
  root.className = "stack";
  root.append(
    element(
      "header",
      { class: "lead" },
      element("h1", {}, "From a file to a forecast"),
      element("p", {}, "Give it a series. It trains a model on it, tells how good that is beside simply repeating the past, and forecasts what comes next."),
    ),
    sourceCard(take, signal),
    setup,
    result,
  );
  if (kept) take(kept);
}

function setupCard(source, result, signal) {
  const form = new SetupForm(source, () => plot.change(form.series()), signal);
  const plot = seriesPlot(form.series());
  const train = button("Train", () => trained(form, source, result, train, signal), { class: "primary big" });
  const heading = element("h2", { id: "setup", tabindex: -1 }, source.name);
  const card = element(
    "section",
    { class: "card", "aria-labelledby": "setup" },
    heading,
    plot.node,
    form.node,
    element("div", { class: "row end" }, train),
  );
  queueMicrotask(() => heading.focus({ preventScroll: true }));
  return card;
}

async function trained(form, source, result, train, signal) {
  train.disabled = true;
  const query = form.query();
  const training = { query: new URLSearchParams(query), file: source.name.endsWith(".csv") ? source.name : "series.csv" };
  query.set("wait", "0");
  try {
    const headers = { "Idempotency-Key": newIdempotencyKey() };
    const accepted = await postCsv("/train", query, source.table.text, { headers, signal });
    const panel = new TrainingPanel(accepted.job_id, signal);
    result.replaceChildren(panel.node);
    panel.node.querySelector("h2").focus({ preventScroll: true });
    panel.node.scrollIntoView({ block: "nearest" });
    const job = await panel.followed();
    if (job.status === "succeeded") {
      const model = await askJson(`/models/${accepted.model_id}`, { signal });
      result.append(...(await report(model, form, training, signal)));
      result.querySelector("#result").focus({ preventScroll: true });
    }
  } catch (error) {
    if (!isAbort(error)) result.append(problemNotice(error));
  } finally {
    train.disabled = false;
  }
}

async function report(model, form, training, signal) {
  const more = element("a", { class: "button", href: `#/models/${model.model_id}` }, "Everything about this model");
  return [
    headlineCard(model, { id: "result" }),
    warningsNotice(model.warnings),
    await forecastCard(model, (item) => form.historyOf(item), signal, form.series().item),
    validationCard(model),
    element("div", { class: "row end" }, more),
  ].filter(Boolean);
}
