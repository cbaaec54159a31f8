// A CSV for drawing: the server reads it again, and decides. Separator, numbers and missing cells are read as it does.

import { itemOf, saysTime, timeOf } from "./column_roles.js";
import { PLAIN, isMissing, readNumbers } from "./number_marks.js";

export class UnreadableCsv extends Error {}

// Returns {text, decimal, columns: [{name, numbers: Float64Array | null, asked, texts}], rows, time, item}.
// text: what to send, with a header where there was none. decimal: as it was given ("point", "comma"), else "".
// asked: whether the numbers can be read two ways. time, item: names of the columns that seem to be those.
export function readCsv(sent, decimal = "") {
  const text = withHeader(sent);
  const separator = separatorOf(text);
  const [header, ...lines] = cellsOf(text, separator);
  if (!header || !lines.length) throw new UnreadableCsv("There is nothing in it but, perhaps, a first line.");
  const odd = lines.findIndex((cells) => cells.length !== header.length);
  if (odd >= 0) {
    throw new UnreadableCsv(
      `Row ${odd + 2} has ${lines[odd].length} cells, the first line ${header.length}: this is no table of values.`,
    );
  }
  const columns = header.map((name, place) => {
    const column = { name: name.trim() || `column ${place + 1}`, texts: lines.map((cells) => cells[place].trim()) };
    return { ...column, saysTime: saysTime(column) };
  });
  readNumbers(columns, separator, decimal).forEach((read, place) => Object.assign(columns[place], read));
  refuseWithoutValues(columns);
  const time = timeOf(columns);
  return { text, decimal, columns, rows: lines.length, time, item: itemOf(columns, time) };
}

function refuseWithoutValues(columns) {
  const numeric = columns.filter((column) => column.numbers);
  if (!numeric.length) throw new UnreadableCsv("No column has only numbers, so there is nothing to forecast.");
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
  const inRow = trimmed.replace(/^\[|\]$/g, "").split(/[,;\s]+/).filter(Boolean);
  const isList = !/\n/.test(trimmed) || !/[,;\t]/.test(trimmed);
  if (isList && inRow.length > 1 && inRow.every((cell) => PLAIN.test(cell) || isMissing(cell))) {
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
