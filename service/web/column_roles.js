// Which column is what, as far as its name and its cells tell; as service/tables/column_roles.py, whose lists are here.

import { CELLS_TRIED, ITEM, PERIOD_NAMES, TIME_NAMES, TIME_SHAPES, UNSURE_NAMES, YEAR_SHAPE } from "./column_names.js";

const FEW_ITEMS = 1000;
const TIME = TIME_SHAPES.map((shape) => new RegExp(`^(?:${shape})$`, "i"));
const YEAR = new RegExp(`^(?:${YEAR_SHAPE})$`);

// "time", "period", "unsure" or null.
export function roleOfName(name) {
  const plain = name.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\p{L}\p{N}]+/gu, "");
  if (TIME_NAMES.includes(plain)) return "time";
  if (PERIOD_NAMES.includes(plain)) return "period";
  return UNSURE_NAMES.includes(plain) ? "unsure" : null;
}

function known(texts) {
  return texts.slice(0, CELLS_TRIED).filter(Boolean);
}

export function lookLikeTimes(texts) {
  const cells = known(texts);
  return cells.length > 0 && TIME.some((shape) => cells.every((cell) => shape.test(cell)));
}

// Tells whether columns of numbers are a table on its side, as fault_of_names.
export function areTimes(names) {
  const times = names.filter((name) => lookLikeTimes([name]) || lookLikeYears([name]));
  return times.length >= Math.max(2, names.length / 2);
}

function lookLikeYears(texts) {
  const cells = known(texts);
  return cells.length > 0 && cells.every((cell) => YEAR.test(cell));
}

// Tells whether one of these cells is the name of a column of times, and none is a time.
export function namesTimes(cells) {
  const names = cells.map((cell) => cell.trim());
  return names.some((name) => ["time", "period"].includes(roleOfName(name))) && !names.some((name) => lookLikeTimes([name]));
}

export function saysTime({ name, texts }) {
  return ["time", "period"].includes(roleOfName(name)) || lookLikeTimes(texts);
}

// The name of the column of times, or null. columns: [{name, numbers, texts}].
export function timeOf(columns) {
  const called = (role) => columns.filter((column) => roleOfName(column.name) === role);
  const timed = (column) => lookLikeTimes(column.texts);
  const dated = (column) => timed(column) || lookLikeYears(column.texts);
  const periods = called("period");
  const values = columns.filter((column) => column.numbers && !saysTime(column));
  const found =
    called("time").find(dated) ??
    called("time")[0] ??
    periods.find(timed) ??
    periods.find(dated) ??
    columns.find(timed) ??
    (values.length > 1 ? called("unsure").find(dated) : undefined);
  return found?.name ?? null;
}

// Times that come again are those of several items.
export function itemOf(columns, time) {
  const times = columns.find((column) => column.name === time)?.texts;
  if (!times || new Set(times).size === times.length) return null;
  const candidates = columns.filter((column) => column.name !== time && (!column.numbers || column.name === ITEM) && !saysTime(column));
  const few = candidates.filter((column) => new Set(column.texts).size <= FEW_ITEMS);
  return (few.find((column) => column.name === ITEM) ?? few[0])?.name ?? null;
}
