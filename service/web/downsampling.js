// As many points as there are pixels to show them: of each bucket the lowest and the highest, so no peak is lost.

const POINTS_PER_PIXEL = 4;

// Returns the rows from..to-1 of columns, thinned where they are many; NaN becomes null. The first column decides.
export function thinned(x, columns, from, to, pixels) {
  const rows = to - from > pixels * POINTS_PER_PIXEL ? extremes(columns[0], from, to, pixels) : range(from, to);
  return [pick(x, rows), ...columns.map((column) => pick(column, rows))];
}

function pick(values, rows) {
  const picked = new Array(rows.length);
  for (let place = 0; place < rows.length; place++) {
    const value = values[rows[place]];
    picked[place] = Number.isNaN(value) || value === undefined ? null : value;
  }
  return picked;
}

function range(from, to) {
  return Array.from({ length: to - from }, (_, place) => from + place);
}

function extremes(values, from, to, buckets) {
  const rows = [];
  const width = (to - from) / buckets;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = Math.floor(from + bucket * width);
    const end = Math.floor(from + (bucket + 1) * width);
    let low = start;
    let high = start;
    for (let row = start; row < end; row++) {
      if (!(values[row] >= values[low])) low = Number.isNaN(values[row]) ? low : row;
      if (!(values[row] <= values[high])) high = Number.isNaN(values[row]) ? high : row;
    }
    rows.push(Math.min(low, high));
    if (low !== high) rows.push(Math.max(low, high));
  }
  if (rows[0] !== from) rows.unshift(from);
  if (rows[rows.length - 1] !== to - 1) rows.push(to - 1);
  return rows;
}
