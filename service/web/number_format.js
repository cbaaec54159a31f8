// Decimal mark and thousands in the cells of a CSV file: the rule of service/tables/number_format.py.

const MISSING = new Set(["", "na", "n/a", "#n/a", "nan", "null", "none"]);
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

function isMissing(cell) {
  return MISSING.has(cell.toLowerCase());
}

// Returns for each column {numbers: Float64Array | null, asked: whether they are ambiguous}.
// columns: [{texts, saysTime}]; decimal: "point", "comma", or "" where it is to be found.
export function readNumbers(columns, separator, decimal) {
  const possible = [POINT, COMMA].filter((marks) => !decimal || marks.name === decimal);
  const fitting = columns.map(({ texts }) => possible.filter((marks) => texts.every((cell) => fits(cell, marks))));
  const elsewhere = new Set(fitting.filter((one, place) => one.length === 1 && !columns[place].saysTime).map(([marks]) => marks));
  return columns.map(({ texts }, place) => {
    if (!fitting[place].length || texts.every(isMissing)) return { numbers: null, asked: false };
    const marks = fitting[place].length === 1 ? fitting[place][0] : settled(texts, separator, elsewhere);
    return { numbers: Float64Array.from(texts, (cell) => numberOf(cell, marks ?? POINT)), asked: !marks };
  });
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
