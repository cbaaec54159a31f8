// The network's losses by epoch, live and afterwards.

import { Plot } from "./plot.js";
import { compact } from "./format.js";

function lossLines(training, validation, points = training.length < 3) {
  return [
    { name: "Training loss", values: training, colour: "actual", points },
    { name: "Validation loss", values: validation, colour: "forecast", points },
  ];
}

export function lossPlot(curve) {
  const plot = new Plot({
    title: "Loss by epoch",
    lines: lossLines(curve.training, curve.validation),
    labels: curve.epochs.map((epoch) => `epoch ${epoch}`),
    height: 220,
  });
  const best = curve.best_epoch ? ` The weights of epoch ${curve.best_epoch} were best.` : "";
  plot.describe(`From ${compact(curve.training[0])} to ${compact(curve.training.at(-1))} on scaled values.${best}`);
  return plot;
}

// Takes a job's progress as it comes; networks of an ensemble, and later fits, stand one after another.
export class LiveLoss {
  constructor() {
    this.epochs = [];
    this.training = [];
    this.validation = [];
    this.last = "";
    // Epochs are told a few times a second; a quick training is over after some points.
    this.plot = new Plot({ title: "Loss while it trains", lines: lossLines([null], [null], true), height: 200 });
    this.node = this.plot.node;
    this.node.hidden = true;
  }

  take({ stage, member, epoch, training_loss: training, validation_loss: validation } = {}) {
    const place = `${stage} ${member ?? ""} ${epoch}`;
    if (!epoch || training === undefined || training === null || place === this.last) return;
    this.last = place;
    this.epochs.push(`epoch ${epoch}`);
    this.training.push(training);
    this.validation.push(validation ?? null);
    this.node.hidden = false;
    this.plot.set(lossLines([...this.training], [...this.validation]), null, [...this.epochs]);
    this.plot.describe(`Training loss ${compact(training)}${validation ? `, validation loss ${compact(validation)}` : ""}, on scaled values.`);
  }
}
