// From a file or pasted text to a table.

import { UnreadableCsv } from "./csv.js";

export async function readFile(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UnreadableCsv(`${file.name} is not a text file in UTF-8. Save the sheet as CSV (UTF-8) and try again.`);
  }
  if (text.includes("\0")) throw new UnreadableCsv(`${file.name} is not a text file. Save the sheet as CSV and try again.`);
  return readText(text);
}

// decimal: "point", "comma", or "" where it is to be found.
export function readText(text, decimal = "") {
  const worker = new Worker("/web/csv_worker.js", { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.table ? resolve(data.table) : reject(new UnreadableCsv(data.refused)));
    worker.onerror = () => reject(new Error("The page could not start its reader of CSV files; load it again."));
    worker.postMessage({ text, decimal });
  }).finally(() => worker.terminate());
}
