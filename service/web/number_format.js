// Decimal mark and thousands in the cells of a CSV file: the rules of number_format.py and number_units.py.

const MISSING = new Set([
  ...["", "na", "n/a", "n.a.", "#n/a", "#div/0!", "nan", "null", "none", "nil", "missing"],
  ...[".", "..", "...", "?", "-", "--", "\u2013", "\u2014", ":"],
]);
const CURRENCY = "US\\$|R\\$|[$\u20ac\u00a3\u00a5\u20b9\u20a9]|USD|EUR|GBP|CHF|JPY|CNY|INR|kr\\.?|z\u0142";
const SPACE = "[ \u00a0\u202f]?";
const DIGITS = "[0-9.,'\u2019 \u00a0\u202f]*[0-9][.,]?(?:[eE][+-]?[0-9]+)?";
const WITH_UNIT = new RegExp(
  `^(\\()?([+\u2212-]?)(${CURRENCY})?${SPACE}([+\u2212-]?)(${DIGITS})${SPACE}(%|\u2030|${CURRENCY})?(-?)(\\))?$`,
);
const WHOLE = /^[+-]?(\d+)$/;
const ALSO_BETWEEN_THOUSANDS = [" \u00a0\u202f", "'\u2019"];
const POINT = marksOf("point", ".", ",");
const COMMA = marksOf("comma", ",", ".");

function marksOf(name, decimal, other) {
  const thousands = [other, ...ALSO_BETWEEN_THOUSANDS];
  const groups = thousands.map((marks) => `(?:[${marks}]\\d{3})+`).join("|");
  const plain = `(?:\\d+(?:[${decimal}]\\d*)?|[${decimal}]\\d+)(?:[eE][+-]?\\d+)?`;
  const grouped = `[1-9]\\d{0,2}(?:${groups})(?:[${decimal}]\\d*)?`;
  const between = new RegExp(`[${thousands.join("")}]`, "g");
  return { name, decimal, between, number: new RegExp(`^[+-]?(?:${plain}|${grouped})$`) };
}

export function isMissing(cell) {
  return MISSING.has(cell.toLowerCase());
}

// Returns for each column {numbers: Float64Array | null, asked: whether they are ambiguous}.
// columns: [{texts, saysTime}]; decimal: "point", "comma", or "" where it is to be found.
export function readNumbers(columns, separator, decimal) {
  const possible = [POINT, COMMA].filter((marks) => !decimal || marks.name === decimal);
  const cells = columns.map(({ texts }) => withoutUnits(texts, possible));
  const fitting = cells.map((texts) => possible.filter((marks) => texts.every((cell) => fits(cell, marks))));
  const elsewhere = new Set(fitting.filter((one, place) => one.length === 1 && !columns[place].saysTime).map(([marks]) => marks));
  return cells.map((texts, place) => {
    if (!fitting[place].length || texts.every(isMissing)) return { numbers: null, asked: false };
    const known = texts.filter((cell) => !isMissing(cell));
    const marks = fitting[place].length === 1 ? fitting[place][0] : settled(known, separator, elsewhere);
    return { numbers: Float64Array.from(texts, (cell) => numberOf(cell, marks ?? POINT)), asked: !marks };
  });
}

// The texts without their unit where they are no plain numbers, but numbers with one unit.
function withoutUnits(texts, possible) {
  if (possible.some((marks) => texts.every((cell) => fits(cell, marks)))) return texts;
  const units = new Set();
  const plain = texts.map((cell) => (isMissing(cell) ? cell : withoutUnit(cell, units)));
  return units.size > 1 || plain.includes(null) ? texts : plain;
}

// null where a cell is no number. units: those found, "" for a number other than zero without one.
function withoutUnit(cell, units) {
  const match = WITH_UNIT.exec(cell);
  if (!match) return null;
  const [, open, sign, before, inner, number, after, trailing, close] = match;
  const signs = [open, sign, inner, trailing].filter(Boolean).join("");
  if (!open !== !close || (before && after) || signs.length > 1) return null;
  if (before || after) units.add(before ?? after);
  else if (/[1-9]/.test(number)) units.add("");
  return `${["(", "-", "\u2212"].includes(signs) ? "-" : ""}${number.trim()}`;
}

// Tells whether a cell has a number, whatever its marks, or is missing.
export function isNumber(cell) {
  return fits(cell, POINT) || fits(cell, COMMA);
}

function fits(cell, marks) {
  return marks.number.test(cell) || isMissing(cell);
}

function numberOf(cell, marks) {
  return isMissing(cell) ? NaN : Number(cell.replace(marks.between, "").replace(marks.decimal, "."));
}

// null where the visitor has to be asked.
function settled(texts, separator, elsewhere) {
  const points = texts.some((cell) => cell.includes("."));
  const commas = texts.some((cell) => cell.includes(","));
  if (!points && !commas) return POINT;
  if (elsewhere.size === 1) return [...elsewhere][0];
  if (points && commas) return null;
  if (separator === ",") return POINT;
  return elsewhere.size ? null : byWholeNumbers(texts, separator, points ? "." : ",");
}

function byWholeNumbers(texts, separator, mark) {
  const marked = texts.filter((cell) => cell.includes(mark)).map((cell) => cell.replace(/\D/g, "").length);
  const shortest = marked.reduce((least, one) => Math.min(least, one), Infinity);
  const lengths = texts.map((cell) => WHOLE.exec(cell)?.[1].length).filter(Boolean);
  const shorter = lengths.some((one) => one < shortest);
  const longer = lengths.some((one) => one >= shortest);
  const [decimal, betweenThousands] = mark === "." ? [POINT, COMMA] : [COMMA, POINT];
  if (longer && !shorter) return decimal;
  if (separator === ";" && mark === "." && shorter && !longer) return betweenThousands;
  return separator === ";" && mark === "," && !lengths.length ? COMMA : null;
}
