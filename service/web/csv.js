// A CSV for drawing: the server reads it again, and decides. Separator, numbers and missing cells are read as it does.

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const MISSING = new Set(["", "na", "n/a", "#n/a", "nan", "null", "none"]);
const TIME_NAMES = ["date", "time", "timestamp", "timestamps", "datetime", "date_time", "ds"];
const PERIOD_NAMES = ["day", "week", "month", "quarter", "year", "period", "index"];
const LIKE_TIME = /^\d{1,4}[-/.]\d{1,2}([-/.]\d{1,4})?([T ].*)?$|^\d{4}-?Q[1-4]$|^\d{4}-W\d\d/;
const LIKE_YEAR = /^(1[6-9]|2[0-2])\d\d((0[1-9]|1[0-2])([0-2]\d|3[01]))?$/;
const FEW_ITEMS = 1000;

export class UnreadableCsv extends Error {}

// Returns {text, columns: [{name, numbers: Float64Array | null, texts: string[] | null}], rows, time, item}.
// text: what to send, with a header where there was none. time, item: names of the columns that seem to be those.
export function readCsv(sent) {
  const text = withHeader(sent);
  const [header, ...lines] = cellsOf(text, separatorOf(text));
  if (!header || !lines.length) throw new UnreadableCsv("There is nothing in it but, perhaps, a first line.");
  const odd = lines.findIndex((cells) => cells.length !== header.length);
  if (odd >= 0) {
    throw new UnreadableCsv(
      `Row ${odd + 2} has ${lines[odd].length} cells, the first line ${header.length}: this is no table of values.`,
    );
  }
  const comma = separatorOf(text) === ";";
  const columns = header.map((name, place) => columnOf(name.trim() || `column ${place + 1}`, lines, place, comma));
  if (!columns.some((column) => column.numbers)) {
    throw new UnreadableCsv("No column has only numbers, so there is nothing to forecast.");
  }
  const time = timeOf(columns);
  return { text, columns, rows: lines.length, time, item: itemOf(columns, time) };
}

// Bare numbers, one a line or in a row, become a column; a first line of numbers alone is a value, not a name.
function withHeader(text) {
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  const inRow = trimmed.replace(/^\[|\]$/g, "").split(/[,;\s]+/).filter(Boolean);
  const isList = !/\n/.test(trimmed) || !/[,;\t]/.test(trimmed);
  if (isList && inRow.length > 1 && inRow.every((cell) => NUMBER.test(cell) || MISSING.has(cell.toLowerCase()))) {
    return `value\n${inRow.join("\n")}\n`;
  }
  return text;
}

function separatorOf(text) {
  const header = text.replace(/^[\uFEFF\r\n]+/, "").split(/[\r\n]/, 1)[0].replace(/"[^"]*"?/g, "");
  const count = (separator) => header.split(separator).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best));
}

// RFC 4180, without empty lines.
function cellsOf(text, separator) {
  const rows = [];
  if (!text.includes('"')) {
    for (const line of text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/)) if (line) rows.push(line.split(separator));
    return rows;
  }
  let row = [];
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${separator}\\r\\n]*))(${separator}|\\r\\n|\\n|\\r|$)`, "y");
  const source = text.replace(/^\uFEFF/, "");
  while (cell.lastIndex < source.length) {
    const match = cell.exec(source);
    if (!match) throw new UnreadableCsv(`Row ${rows.length + 1} has a quote that is not closed.`);
    row.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] === separator) continue;
    if (row.length > 1 || row[0]) rows.push(row);
    row = [];
  }
  if (row.length) rows.push([...row, ""]);
  return rows;
}

function columnOf(name, lines, place, comma) {
  const numbers = new Float64Array(lines.length);
  let known = 0;
  for (let row = 0; row < lines.length; row++) {
    const cell = comma ? lines[row][place].trim().replace(",", ".") : lines[row][place].trim();
    if (NUMBER.test(cell)) {
      numbers[row] = Number(cell);
      known++;
    } else if (MISSING.has(cell.toLowerCase())) numbers[row] = NaN;
    else return { name, numbers: null, texts: lines.map((cells) => cells[place].trim()) };
  }
  return { name, numbers: known ? numbers : null, texts: lines.map((cells) => cells[place].trim()) };
}

function timeOf(columns) {
  const named = (names) => columns.filter((column) => names.includes(column.name.toLowerCase()));
  const all = (column, pattern) => column.texts.slice(0, 20).every((text) => pattern.test(text));
  const found =
    named(TIME_NAMES)[0] ??
    named(PERIOD_NAMES).find((column) => all(column, LIKE_TIME) || all(column, LIKE_YEAR)) ??
    columns.find((column) => !column.numbers && all(column, LIKE_TIME));
  return found?.name ?? null;
}

// Times that come again are those of several items.
function itemOf(columns, time) {
  const times = columns.find((column) => column.name === time)?.texts;
  if (!times || new Set(times).size === times.length) return null;
  const candidates = columns.filter((column) => !column.numbers && column.name !== time);
  return candidates.find((column) => new Set(column.texts).size <= FEW_ITEMS)?.name ?? null;
}
