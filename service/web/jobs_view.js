// All jobs, newest first, and how far those are that run.

import { ask, askJson, isAbort } from "./api.js";
import { button, element } from "./dom.js";
import { problemNotice } from "./problem_notice.js";
import { momentWords, percent, secondsWords, stageWords, statusWords, titleOf } from "./format.js";

const PAGE = 50;
const BUSY_PAUSE = 1000;
const QUIET_PAUSE = 5000;

export async function jobsView(root, { signal }) {
  root.className = "stack";
  const list = element("ul", { class: "rows" });
  const said = element("div", {});
  const empty = element("p", { class: "empty" }, "No job yet. ", element("a", { href: "#/" }, "Train a model"), ".");
  root.append(element("header", { class: "lead" }, element("h1", {}, "Jobs")), said, empty, list);
  const rows = new Map();
  const names = new Map();

  // A job tells its model by ID only.
  async function nameModels(jobs) {
    if (jobs.every((job) => names.has(job.model_id))) return;
    for (const { model_id: id } of jobs) names.set(id, names.get(id) ?? null);
    const { models } = await askJson(`/models?limit=${PAGE}`, { signal });
    for (const model of models) names.set(model.model_id, titleOf(model));
  }

  async function look() {
    const { jobs } = await askJson(`/jobs?limit=${PAGE}`, { signal });
    await nameModels(jobs);
    empty.hidden = jobs.length > 0;
    for (const id of rows.keys()) {
      if (!jobs.some((job) => job.job_id === id)) {
        rows.get(id).node.remove();
        rows.delete(id);
      }
    }
    jobs.forEach((job, place) => {
      const row = rows.get(job.job_id) ?? new JobRow(job, said, signal);
      rows.set(job.job_id, row);
      row.show(job, names.get(job.model_id));
      if (list.children[place] !== row.node) list.insertBefore(row.node, list.children[place] ?? null);
    });
    return jobs.some((job) => !job.finished_at) ? BUSY_PAUSE : QUIET_PAUSE;
  }

  async function keepLooking(pause) {
    while (!signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (!document.hidden && !signal.aborted) pause = await look();
    }
  }

  const pause = await look();
  keepLooking(pause).catch((error) => isAbort(error) || said.replaceChildren(problemNotice(error)));
}

class JobRow {
  constructor(job, said, signal) {
    this.title = element("strong", {});
    this.model = element("a", { href: `#/models/${job.model_id}` });
    this.bar = element("progress", { max: 1, "aria-label": `Progress of job ${job.job_id.slice(0, 8)}` });
    this.facts = element("span", { class: "hint" });
    this.stop = button("Cancel", () => cancel(job, this.stop, said, signal), { "aria-label": `Cancel job ${job.job_id.slice(0, 8)}` });
    this.node = element(
      "li",
      { class: "card slim" },
      element("div", { class: "row" }, this.title, this.model, this.stop),
      this.bar,
      this.facts,
    );
  }

  show(job, name) {
    this.model.textContent = name ?? `Model ${job.model_id.slice(0, 8)}`;
    const { fraction, eta_seconds: eta } = job.progress ?? {};
    this.title.textContent = stageWords(job);
    this.title.className = `tone ${{ succeeded: "good", failed: "bad" }[job.status] ?? "even"}`;
    this.bar.hidden = Boolean(job.finished_at);
    this.bar.value = fraction ?? 0;
    this.stop.hidden = Boolean(job.finished_at);
    const running = job.status === "running" ? [percent(fraction ?? 0), secondsWords(eta)] : [momentWords(job.finished_at ?? job.created_at)];
    this.facts.textContent = [...running, job.error?.detail ?? (job.status === "cancelled" ? statusWords("cancelled") : "")].filter(Boolean).join(" · ");
  }
}

async function cancel(job, stop, said, signal) {
  stop.disabled = true;
  try {
    await ask(`/jobs/${job.job_id}`, { method: "DELETE", signal });
  } catch (error) {
    stop.disabled = false;
    if (!isAbort(error) && error.status !== 409) said.replaceChildren(problemNotice(error));
  }
}
