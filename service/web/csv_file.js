// From a file or pasted text to a table.

import { ask } from "./api.js";
import { UnreadableCsv } from "./csv.js";

const XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
// Workbooks are zip archives.
const ZIP = [0x50, 0x4b, 0x03, 0x04];
// In UTF-16, letters such as U+0400 have the NUL byte on the other side.
const FEWEST_NULS = 4;

export async function readFile(file, signal) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (ZIP.every((byte, place) => bytes[place] === byte)) return readText(await csvOfWorkbook(bytes, signal), "point");
  const text = decoded(bytes);
  if (text === null) {
    throw new UnreadableCsv(`${file.name} is not a text file in UTF-8. Save the sheet as CSV (UTF-8) and try again.`);
  }
  if (text.includes("\0")) throw new UnreadableCsv(`${file.name} is not a text file. Save the sheet as CSV and try again.`);
  return readText(text);
}

async function csvOfWorkbook(bytes, signal) {
  const headers = { "Content-Type": XLSX_TYPE };
  return (await ask("/csv", { method: "POST", body: bytes, headers, signal, lasting: true })).text();
}

// UTF-8, UTF-16 or Windows-1252, null for damaged UTF-8: the rule of service/tables/csv_text.py.
function decoded(bytes) {
  const marks = { "utf-16le": [0xff, 0xfe], "utf-16be": [0xfe, 0xff] };
  const marked = Object.keys(marks).find((name) => marks[name].every((byte, place) => bytes[place] === byte));
  try {
    return new TextDecoder(marked ?? withoutMark(bytes), { fatal: true }).decode(bytes);
  } catch {
    const whole = new TextDecoder("utf-8").decode(bytes).replaceAll("\uFFFD", "");
    if (/[^\0-\x7f]/.test(whole)) return null;
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

// Separators, digits and line ends have a NUL byte in UTF-16, all at the same one of two places.
function withoutMark(bytes) {
  const start = [...bytes.slice(0, 1000)];
  const [even, odd] = [0, 1].map((rest) => start.filter((byte, place) => !byte && place % 2 === rest).length);
  if (Math.max(even, odd) < FEWEST_NULS * Math.max(1, Math.min(even, odd))) return "utf-8";
  return odd > even ? "utf-16le" : "utf-16be";
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
