// A training while it runs: how far it is, its loss, and a way to stop it.

import { ask, isAbort } from "./api.js";
import { button, element } from "./dom.js";
import { jobEvents } from "./job_events.js";
import { LiveLoss, lossPlot } from "./loss_plot.js";
import { problemNotice } from "./problem_notice.js";
import { percent, secondsWords, stageWords } from "./format.js";

export class TrainingPanel {
  constructor(jobId, signal) {
    this.jobId = jobId;
    this.signal = signal;
    this.stage = element("p", { class: "stage" }, "Waiting for its turn");
    this.bar = element("progress", { max: 1, value: 0, "aria-label": "Progress of the training" });
    this.left = element("span", { class: "hint" }, "");
    this.announced = element("p", { class: "unseen", role: "status" });
    this.loss = new LiveLoss();
    this.stop = button("Cancel", () => this.#cancel());
    this.said = element("div", {});
    this.node = element(
      "section",
      { class: "card", "aria-labelledby": "training" },
      element("h2", { id: "training", tabindex: -1 }, "Training"),
      element("div", { class: "progress" }, this.stage, this.bar, element("div", { class: "row" }, this.left, this.stop)),
      this.announced,
      this.loss.node,
      this.said,
    );
  }

  // Follows the job; returns it as it ended.
  async followed() {
    let job = null;
    for await (job of jobEvents(this.jobId, this.signal)) this.#show(job);
    this.stop.hidden = true;
    return job;
  }

  // In the place of the losses that were seen, all of them.
  finish(model) {
    const curve = model.loss_curve;
    if (curve?.epochs?.length) this.loss.node.replaceWith(lossPlot(curve).node);
    else this.loss.node.hidden = true;
  }

  #show(job) {
    const { fraction = 0, eta_seconds: eta, stage } = job.progress ?? {};
    this.stage.textContent = stageWords(job);
    this.bar.value = job.status === "succeeded" ? 1 : (fraction ?? 0);
    this.left.textContent = job.status === "running" ? [percent(fraction ?? 0), secondsWords(eta)].filter(Boolean).join(" · ") : "";
    this.loss.take(job.progress);
    // Each stage is announced once, not each epoch.
    const news = job.status === "running" ? stage : job.status;
    if (news !== this.news) {
      this.news = news;
      this.announced.textContent = stageWords(job).replace(/, .*/, "");
    }
    if (job.status === "failed" && job.error) this.said.replaceChildren(problemNotice(Object.assign(new Error(job.error.detail), job.error)));
    if (job.status === "cancelled") this.said.replaceChildren(element("p", { class: "notice" }, "The training was cancelled; nothing is left of it to forecast with."));
  }

  async #cancel() {
    this.stop.disabled = true;
    try {
      await ask(`/jobs/${this.jobId}`, { method: "DELETE", signal: this.signal });
    } catch (error) {
      this.stop.disabled = false;
      if (!isAbort(error) && error.status !== 409) this.said.replaceChildren(problemNotice(error));
    }
  }
}
