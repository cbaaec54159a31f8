// A CSV for drawing: the server reads it again, and decides. Separator, numbers and missing cells are read as it does.

import { TOTAL_SHAPE, UNIT_SHAPE } from "./column_names.js";
import { areTimes, itemOf, namesTimes, saysTime, timeOf } from "./column_roles.js";
import { isMissing, isNumber, readNumbers } from "./number_format.js";

export class UnreadableCsv extends Error {}

// A comma comes last: it may be a decimal mark, or a mark in the name of a column.
const CHOICES = ["\t", ";", ","];
// The first line and so many rows, of at most so many characters, say which separator it is.
const ROWS = 21;
const SAMPLE = 100_000;
// The most lines above the header, and how many below it show that they are none of the table.
const MOST_TITLES = 20;
const ROWS_BELOW = 5;
const UNIT = new RegExp(`^(?:${UNIT_SHAPE})$`, "i");
const TOTAL = new RegExp(`^(?:${TOTAL_SHAPE})$`, "i");

// Returns {text, decimal, columns: [{name, numbers: Float64Array | null, asked, texts}], rows, time, item}.
// text: what to send, with a header where there was none. decimal: as it was given ("point", "comma"), else "".
// asked: whether the numbers are ambiguous. time, item: names of the columns that seem to be those.
export function readCsv(sent, decimal = "") {
  const text = withHeader(sent);
  const [separator, rest] = splitOffSeparator(text.replace(/^\uFEFF/, ""));
  const [header, ...sentRows] = withoutTitles(cellsOf(rest, separator));
  if (!header || !sentRows.length) throw new UnreadableCsv("The file has no rows.");
  const fittedRows = sentRows.map((cells) => fitted(cells, header));
  const odd = fittedRows.findIndex((cells) => !cells);
  if (odd >= 0) {
    throw new UnreadableCsv(
      `Row ${odd + 2} has ${sentRows[odd].length} cells, the first line ${header.length}: this is no table of values.`,
    );
  }
  const rows = withoutExtraRows(fittedRows);
  const columns = header.map((name, place) => {
    const column = { name: name.trim() || `column ${place + 1}`, texts: rows.map((cells) => cells[place].trim()) };
    return { ...column, saysTime: saysTime(column) };
  });
  readNumbers(columns, separator, decimal).forEach((read, place) => Object.assign(columns[place], read));
  refuseWithoutValues(columns);
  const time = timeOf(columns);
  return { text, decimal, columns, rows: rows.length, time, item: itemOf(columns, time) };
}

function refuseWithoutValues(columns) {
  const numeric = columns.filter((column) => column.numbers);
  if (!numeric.length) throw new UnreadableCsv("No column has only numbers, so there is nothing to forecast.");
  if (areTimes(numeric.map((column) => column.name))) {
    throw new UnreadableCsv("The first line has the times. Transpose the table, so that it has one row for each time.");
  }
  if (numeric.every((column) => column.saysTime)) {
    throw new UnreadableCsv(
      `${numeric[0].name} says when rows are, and no other column has only numbers, so there is nothing to forecast. ` +
        "If these are the values, give the column another name.",
    );
  }
}

// Bare numbers, one a line or in a row, become a column; a first line of numbers alone is a value, not a name.
function withHeader(text) {
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  const list = cellsOfList(trimmed.replace(/^\[|\]$/g, ""));
  const isList = !/\n/.test(trimmed) || !/[,;\t]/.test(trimmed);
  if (isList && list.length > 1 && list.every((cell) => isNumber(cell))) return `value\n${list.join("\n")}\n`;
  return text;
}

// A comma with a blank after it, and one with none, cannot both separate: 1,5, 2,5 is no list.
function cellsOfList(text) {
  const [loose, tight] = [/,\s/.test(text), /,(?!\s|$)/.test(text)];
  const separator = text.includes(";") ? ";" : loose && tight ? null : loose ? /[,\s]+/ : /\s/.test(text) ? /\s+/ : ",";
  return separator === null ? [] : text.split(separator).map((cell) => cell.trim()).filter(Boolean);
}

// The rule of service/tables/csv_table.py. Returns the separator, and the text without the line "sep=;" of Excel.
function splitOffSeparator(text) {
  const line = /^\s*(?:"sep=(.)"|sep=(.))[,;\t]*(?=[\r\n])/i.exec(text);
  const named = line && (line[1] ?? line[2]);
  if (CHOICES.includes(named)) return [named, text.slice(line[0].length)];
  const titled = CHOICES.find((one) => {
    const rows = cellsOf(text.slice(0, SAMPLE), one, MOST_TITLES + ROWS_BELOW);
    return withoutTitles(rows).length < rows.length;
  });
  return [titled ?? foundSeparator(text), text];
}

// Single cells above a header of several are no rows: the rule of service/tables/csv_text.py.
function withoutTitles(rows) {
  const start = rows.slice(0, MOST_TITLES + ROWS_BELOW);
  const several = start.filter((row) => row.filter((cell) => cell.trim()).length > 1);
  const first = start.indexOf(several.find((_, place) => isHeader(several.slice(0, place + 1))) ?? several[0]);
  const [header, ...below] = start.slice(Math.max(first, 0));
  if (first < 1 || first > MOST_TITLES || !below.length || below.some((row) => row.length !== header.length)) return rows;
  return !hasNumber(header) && below.some(hasNumber) ? rows.slice(first) : rows;
}

// Whether the last of these rows is the header, and those before it are titles rather than values.
function isHeader(rows) {
  const [first, last] = [rows[0], rows.at(-1)].map((row) => row.filter((cell) => !isMissing(cell.trim())).length);
  return namesTimes(rows.at(-1)) && (last > first || (last === first && !rows.slice(0, -1).some(hasNumber)));
}

function hasNumber(row) {
  return row.map((cell) => cell.trim()).some((cell) => isNumber(cell) && !isMissing(cell));
}

// Units below the header and a total at the end are no rows: the rules of service/tables/extra_rows.py.
function withoutExtraRows(rows) {
  const filled = (row) => row.map((cell) => cell.trim()).filter(Boolean);
  const areUnits = (row) => filled(row).length > 0 && filled(row).every((cell) => UNIT.test(cell));
  const kept = rows.length > 1 && areUnits(rows[0]) ? rows.slice(1) : rows;
  const place = kept.at(-1).findIndex((cell) => cell.trim());
  const isTotal = (row) => place >= 0 && TOTAL.test(row[place].trim());
  return kept.length > 1 && kept.findIndex(isTotal) === kept.length - 1 ? kept.slice(0, -1) : kept;
}

function foundSeparator(text) {
  const samples = new Map(CHOICES.map((one) => [one, firstRows(text, one)]));
  const fitting = CHOICES.filter((one) => {
    const [header, ...rows] = samples.get(one);
    return rows.length && rows.every((row) => fitted(row, header));
  });
  const split = CHOICES.filter((one) => samples.get(one)[0].length > 1);
  if (!split.length) {
    const quoted = fitting.includes(",") && samples.get(",").flat().some((cell) => cell.includes(","));
    return quoted || !fitting.includes("\t") ? "," : "\t";
  }
  const most = split.reduce((best, one) => (samples.get(one)[0].length > samples.get(best)[0].length ? one : best));
  // What stands in every row separates, even where a row has a cell too many: that row is refused.
  const inAll = (rows) => rows.length > 1 && rows.every((row) => row.length > 1);
  return split.find((one) => fitting.includes(one) || inAll(samples.get(one))) ?? most;
}

function firstRows(text, separator) {
  const start = text.slice(0, SAMPLE);
  const rows = cellsOf(start, separator, ROWS);
  const cut = rows.length > 1 && rows.length < ROWS && start.length < text.length;
  if (rows.length) return rows.slice(0, cut ? -1 : undefined);
  // A quote is not closed.
  return [start.trimStart().split("\n", 1)[0].replace(/"[^"]*"?/g, "").split(separator)];
}

// A row with as many cells as the header, null where more than empty cells are left over or missing.
function fitted(cells, header) {
  const blank = (cell) => !cell.trim();
  if (cells.length >= header.length) {
    return cells.slice(header.length).every(blank) ? cells.slice(0, header.length) : null;
  }
  return header.slice(cells.length).every(blank) ? [...cells, ...header.slice(cells.length).map(() => "")] : null;
}

// RFC 4180, without empty lines; most: rows.
function cellsOf(text, separator, most = Infinity) {
  const rows = [];
  if (!text.includes('"')) {
    for (const line of text.split(/\r\n|\n|\r/)) {
      if (rows.length === most) break;
      const cells = line.split(separator);
      if (cells.some(Boolean)) rows.push(cells);
    }
    return rows;
  }
  let row = [];
  const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${separator}\\r\\n]*))(${separator}|\\r\\n|\\n|\\r|$)`, "y");
  while (cell.lastIndex < text.length && rows.length < most) {
    const match = cell.exec(text);
    if (!match && most < Infinity) return rows;
    if (!match) throw new UnreadableCsv(`Row ${rows.length + 1} has a quote that is not closed.`);
    row.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] === separator) continue;
    if (row.some(Boolean)) rows.push(row);
    row = [];
  }
  if (row.length) rows.push([...row, ""]);
  return rows;
}
