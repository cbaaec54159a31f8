// Everything about one model.

import { ask, askJson, isAbort } from "./api.js";
import { confirmed } from "./confirm_dialog.js";
import { configurationCard } from "./configuration_card.js";
import { button, element } from "./dom.js";
import { forecastCard } from "./forecast_card.js";
import { lineageNote } from "./lineage_note.js";
import { monitoringCard } from "./monitoring_card.js";
import { namesCard } from "./names_card.js";
import { problemNotice, warningsNotice } from "./problem_notice.js";
import { candidatesCard, headlineCard, lossCard, scoresCard, stepCard, validationCard } from "./report_cards.js";
import { snippetsCard } from "./snippets_card.js";
import { TrainingPanel } from "./training_panel.js";
import { bytesWords, momentWords, saved, statusWords, titleOf } from "./format.js";

const MOST_OBSERVED = 500;

export async function modelView(root, { signal, parameters: [modelId] }) {
  root.className = "stack";
  const model = await askJson(`/models/${modelId}`, { signal });
  root.append(header(model, signal));
  if (model.status === "training") {
    const panel = new TrainingPanel(model.job_id, signal);
    root.append(panel.node);
    panel
      .followed()
      .then((job) => job?.status === "succeeded" && !signal.aborted && dispatchEvent(new HashChangeEvent("hashchange")))
      .catch((error) => isAbort(error) || root.append(problemNotice(error)));
    return;
  }
  if (model.status === "failed") {
    const error = model.error ?? { title: "The training was cancelled", detail: "There is nothing to forecast with." };
    root.append(problemNotice(Object.assign(new Error(error.detail), error)));
    return;
  }
  root.append(...(await parts(model, signal)).filter(Boolean));
}

async function parts(model, signal) {
  const observed = model.series_revision ? await askJson(`/models/${model.model_id}/observations?limit=${MOST_OBSERVED}`, { signal }) : null;
  return [
    headlineCard(model),
    lineageNote(model),
    warningsNotice(model.warnings),
    await forecastCard(model, (item, target) => historyOf(model, observed?.items, item, target), signal),
    await monitoringCard(model, signal),
    validationCard(model),
    element("div", { class: "pair" }, stepCard(model), lossCard(model)),
    element("div", { class: "pair" }, candidatesCard(model), scoresCard(model)),
    await namesCard(model, signal),
    configurationCard(model),
    snippetsCard(model),
  ];
}

// The end of the training is in the record for one item and target; what was observed since follows it.
function historyOf(model, observed, item, target) {
  const shown = model.validation_forecast;
  const since = observed?.find((one) => one.item === item);
  const later = { values: since?.columns[target] ?? [], labels: since?.timestamps ?? null };
  const isKnown = shown?.item === item && shown.target === target;
  if (!isKnown || since?.start_index > since?.trained_rows) return later;
  return {
    values: [...shown.actual, ...later.values],
    labels: shown.timestamps && [...shown.timestamps, ...(later.labels ?? [])],
  };
}

function header(model, signal) {
  const said = element("div", {});
  const facts = [statusWords(model.status), momentWords(model.ready_at ?? model.created_at), bytesWords(model.size_bytes)];
  return element(
    "header",
    { class: "lead" },
    element("p", { class: "crumb" }, element("a", { href: "#/models" }, "Models")),
    element("h1", {}, titleOf(model)),
    element("p", { class: "hint" }, `${facts.filter((one) => one !== "–").join(" · ")} · `, element("code", {}, model.model_id)),
    element(
      "div",
      { class: "row" },
      model.status === "ready" ? button("Download", () => tried(said, () => download(model, signal))) : null,
      button("Delete", () => tried(said, () => remove(model, signal)), { class: "danger" }),
    ),
    said,
  );
}

async function tried(said, act) {
  said.replaceChildren();
  try {
    await act();
  } catch (error) {
    if (!isAbort(error)) said.replaceChildren(problemNotice(error));
  }
}

// By fetch: a link could not send the key.
async function download(model, signal) {
  const answer = await ask(`/models/${model.model_id}/file`, { signal });
  saved(`${model.model_id}.safetensors`, await answer.blob());
}

async function remove(model, signal) {
  if (!(await confirmed(`Delete ${titleOf(model)}?`, "The model, its file and what it was trained on are gone for good.", "Delete"))) return;
  await ask(`/models/${model.model_id}`, { method: "DELETE", signal });
  location.hash = "#/models";
}
