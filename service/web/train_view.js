// From a file to a forecast.

import { askJson, isAbort, newIdempotencyKey, postCsv } from "./api.js";
import { readText } from "./csv_file.js";
import { button, element } from "./dom.js";
import { forecastCard } from "./forecast_card.js";
import { InstantForecast } from "./instant_forecast.js";
import { headlineCard, validationCard } from "./report_cards.js";
import { problemNotice, warningsNotice } from "./problem_notice.js";
import { seriesPlot } from "./series_plot.js";
import { TrainingForm } from "./training_form.js";
import { dataSourceCard } from "./data_source_card.js";
import { TrainingPanel } from "./training_panel.js";

// What was loaded, and what was trained on it, is still there when the visitor comes back from another view.
let kept = null;

export async function trainView(root, { signal }) {
  const setup = element("div", {});
  const result = element("div", { class: "stack" });
  const take = (source) => {
    kept = { source };
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
    dataSourceCard(take, signal),
    setup,
    result,
  );
  if (kept) setup.append(setupCard(kept.source, result, signal, kept));
}

function setupCard(source, result, signal, before = {}) {
  const plot = element("div", {});
  const instant = new InstantForecast(signal);
  const draw = () => {
    instant.clear();
    plot.replaceChildren(seriesPlot(form.series()).node);
  };
  const reread = async (decimal) => {
    const query = form.query();
    try {
      const other = { ...source, table: await readText(source.table.text, decimal) };
      kept = { ...kept, source: other };
      card.replaceWith(setupCard(other, result, signal, { query, focus: "decimal" }));
    } catch (error) {
      form.refuse(error);
    }
  };
  const understood = (configuration) => instant.show(form, configuration);
  const form = new TrainingForm(source, { changed: draw, reread, understood }, signal);
  if (before.query) form.restore(before.query);
  form.more.open = before.focus === "decimal";
  draw();
  const train = button("Train", () => trained(form, instant, source, result, train, signal), { class: "primary big" });
  const heading = element("h2", { id: "setup", tabindex: -1 }, source.name);
  const card = element(
    "section",
    { class: "card", "aria-labelledby": "setup" },
    heading,
    plot,
    form.node,
    element("div", { class: "row end" }, train),
    instant.node,
  );
  // Once the card is in the page, which alone can have the focus.
  if (before.accepted) queueMicrotask(() => followed(before.accepted, form, instant, result, signal));
  else queueMicrotask(() => (before.focus ? document.getElementById(before.focus) : heading).focus());
  return card;
}

async function trained(form, instant, source, result, train, signal) {
  train.disabled = true;
  const query = form.query();
  const asked = new URLSearchParams([...query, ["wait", "0"]]);
  // It is sent whether or not the visitor stays to see what becomes of it.
  const accepted = postCsv("/train", asked, source.table.text, { headers: { "Idempotency-Key": newIdempotencyKey() } });
  kept = { source, query, accepted };
  result.replaceChildren();
  await followed(accepted, form, instant, result, signal);
  train.disabled = false;
}

// accepted: a promise of what POST /train answers.
async function followed(accepted, form, instant, result, signal) {
  try {
    const { job_id: jobId, model_id: modelId } = await accepted;
    if (signal.aborted) return;
    const panel = new TrainingPanel(jobId, signal);
    result.replaceChildren(panel.node);
    panel.node.querySelector("h2").focus();
    const job = await panel.followed();
    if (job?.status !== "succeeded") return;
    const model = await askJson(`/models/${modelId}`, { signal });
    panel.finish(model);
    instant.end();
    result.append(...(await report(model, form, signal)));
    result.querySelector("#result").focus();
  } catch (error) {
    if (!isAbort(error)) result.append(problemNotice(error));
  }
}

async function report(model, form, signal) {
  const more = element("a", { class: "button", href: `#/models/${model.model_id}` }, "Everything about this model");
  return [
    headlineCard(model, { id: "result" }),
    warningsNotice(model.warnings),
    await forecastCard(model, (item) => form.historyOf(item), signal, form.series().item),
    validationCard(model),
    element("div", { class: "row end" }, more),
  ].filter(Boolean);
}
