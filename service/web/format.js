// Numbers in words.

const PLAIN = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const LARGE = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const WHOLE = new Intl.NumberFormat("en");

export function compact(value) {
  if (value === null || value === undefined) return "";
  return Math.abs(value) >= 100_000 ? LARGE.format(value) : PLAIN.format(value);
}

export function whole(value) {
  return WHOLE.format(value);
}

export function percent(share) {
  return share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`;
}

// `words` is absent from the records of earlier versions.
export function baselineName(model) {
  if (model.baseline?.words) return model.baseline.words;
  if (model.baseline?.method === "mean") return "the mean of the past";
  return (model.configuration?.season_length ?? 1) > 1 ? "last season’s values" : "the last value";
}

// The skill as a headline: {text, tone}.
export function skillWords(model) {
  const name = baselineName(model);
  if (model.skill === null || model.skill === undefined) return { text: `Cannot be compared with ${name}`, tone: "even" };
  const [low, high] = model.skill_interval ?? [];
  if (low <= 0 && high >= 0) return { text: `About as good as ${name}`, tone: "even" };
  const share = Math.round(Math.abs(model.skill) * 100);
  if (share === 0) return { text: `No better than ${name}`, tone: "even" };
  return model.skill > 0
    ? { text: `${share} % better than ${name}`, tone: "good" }
    : { text: `${share} % worse than ${name}`, tone: "bad" };
}

export function errorWords(model) {
  if (model.metrics?.mae === null || model.metrics?.mae === undefined) return "Nothing could be scored after the split.";
  const ours = compact(model.metrics.mae);
  const naive = compact(model.baseline?.mae ?? null);
  return (
    `On the part of the series that the model had not seen, it was off by ${ours} on average; ` +
    `${baselineName(model)} would have been off by ${naive || "an unknown amount"}.`
  );
}

export function coverageWords(model) {
  const coverage = Object.entries(model.metrics?.coverage ?? {}).filter(([, share]) => share !== null);
  if (!coverage.length) return "How far its intervals can be trusted is not known.";
  const held = coverage.map(([level, share], place) => `its ${level} % interval ${place ? "" : "held "}${percent(share)}${place ? "" : " of the actual values"}`);
  return `${held.join(", ").replace(/^i/, "I")}.`;
}

const STAGES = {
  compile: "Compiling kernels, once per machine",
  columns: "Looking which columns help",
  candidates: "Fitting simple methods",
  select: "Training networks",
  weigh: "Weighing the candidates",
  score: "Scoring on what it has not seen",
  refit: "Fitting on everything",
};

export function stageWords(job) {
  if (job.status === "queued") return "Waiting for its turn";
  if (job.status !== "running") return statusWords(job.status);
  const { stage, member, members, epoch, epochs } = job.progress ?? {};
  const words = [STAGES[stage] ?? "Starting"];
  if (member && members > 1) words.push(`network ${member} of ${members}`);
  if (epoch) words.push(`epoch ${epoch} of ${epochs}`);
  return words.join(", ");
}

const STATUSES = {
  queued: "Waiting",
  running: "Training",
  training: "Training",
  succeeded: "Ready",
  ready: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
};

export function statusWords(status) {
  return STATUSES[status] ?? status;
}

export function secondsWords(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1) return "less than a second left";
  if (seconds < 90) return `about ${Math.round(seconds)} s left`;
  return `about ${Math.round(seconds / 60)} min left`;
}

const FREQUENCIES = { s: "second", min: "minute", h: "hour", D: "day", B: "working day", W: "week", M: "month", Q: "quarter", Y: "year" };

// pandas' aliases: a count, a unit, where in it (MS: the start of a month), an anchor (W-SUN).
export function frequencyWords(freq) {
  const [, count, unit] = /^(\d*)(min|s|h|D|B|W|M|Q|Y)[SE]?(?:-[A-Z]{3})?$/.exec(freq) ?? [];
  if (!unit) return `one each ${freq}`;
  return Number(count || 1) === 1 ? `one each ${FREQUENCIES[unit]}` : `one every ${count} ${FREQUENCIES[unit]}s`;
}

export function stepsWords(steps) {
  return `${whole(steps)} ${steps === 1 ? "step" : "steps"} ahead`;
}

export function bytesWords(bytes) {
  if (!bytes) return "–";
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export function momentWords(text) {
  return text ? MOMENT.format(new Date(text)) : "–";
}

export function titleOf(model) {
  return model.name?.trim() || `Model ${model.model_id.slice(0, 8)}`;
}

// Has the browser save a file.
export function saved(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
