// The same by curl and in Python. A key is named, never shown.

import { hasKey } from "./key.js";

const shell = (text) => `'${String(text).replaceAll("'", `'\\''`)}'`;
const python = (value) => JSON.stringify(value);

// training: {query: URLSearchParams, file} as the page sent it, or as it would have.
export function curlLines(modelId, horizon, training) {
  const key = hasKey() ? ` -H "Authorization: Bearer $FORECAST_KEY"` : "";
  const forecast = JSON.stringify({ model_id: modelId, horizon });
  return [
    `curl -X POST ${shell(`${location.origin}/train?${training.query}`)}${key} \\`,
    `  -H 'Content-Type: text/csv' --data-binary ${shell(`@${training.file}`)}`,
    "",
    `curl -X POST ${shell(`${location.origin}/forecast`)}${key} \\`,
    `  -H 'Content-Type: application/json' -d ${shell(forecast)}`,
  ].join("\n");
}

export function pythonLines(modelId, horizon, training) {
  const key = hasKey() ? `, headers={"Authorization": f"Bearer {os.environ['FORECAST_KEY']}"}` : "";
  const query = [...training.query].map(([name, value]) => `(${python(name)}, ${python(value)})`).join(", ");
  return [
    ...(hasKey() ? ["import os", ""] : []),
    "from pathlib import Path",
    "",
    "import httpx",
    "",
    `service = httpx.Client(base_url=${python(location.origin)}, timeout=300${key})`,
    `csv = Path(${python(training.file)}).read_bytes()`,
    `model = service.post("/train", params=[${query}], content=csv, headers={"Content-Type": "text/csv"}).json()`,
    "",
    `asked = {"model_id": ${python(modelId)}, "horizon": ${horizon}}`,
    `forecast = service.post("/forecast", json=asked).json()`,
    `print(forecast["forecasts"][0]["mean"])`,
  ].join("\n");
}

// What a training of such a model would be asked with, from its record.
export function trainingOf(model) {
  const query = new URLSearchParams();
  for (const target of model.targets ?? []) query.append("target", target);
  for (const name of model.covariates ?? []) query.append("covariates", name);
  for (const name of model.future_covariates ?? []) query.append("future_covariates", name);
  const items = model.series?.item_columns ?? (model.series?.items > 1 ? [{ name: "ITEM_COLUMN" }] : []);
  for (const { name } of items) query.append("item", name);
  if (model.configuration?.horizon) query.append("horizon", model.configuration.horizon);
  if (model.configuration?.nonnegative && !model.configuration.chosen?.nonnegative) query.append("nonnegative", "true");
  if (model.name) query.append("name", model.name);
  return { query, file: "series.csv" };
}
