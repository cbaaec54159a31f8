// A chart of lines and bands over numbered steps: uPlot, with our colours, words for the steps, zooming and a table.

import { thinned } from "./downsampling.js";
import { button, element, table } from "./dom.js";
import { PlotLegend } from "./plot_legend.js";
import { compact, saved } from "./format.js";

const MOST_TABLE_ROWS = 400;
const STEPS = [1, 2, 5].flatMap((one) => [0, 1, 2, 3, 4, 5].map((power) => one * 10 ** power)).sort((a, b) => a - b);

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// lines: {name, values, colour (null: only the edge of a band), dash, width, fill, points, bars};
// bands: {name, upper, lower (places of lines), colour}; x: whole numbers that rise by one, else from 0.
// labels: a word for each x, or none; now: after which x the future starts; zooms: whether one can look closer.
export class Plot {
  constructor({ title, lines, bands = [], x = null, labels = null, now = null, zooms = false, height = 280, unit = "" }) {
    this.title = title;
    this.bands = bands;
    this.now = now;
    this.height = height;
    this.holder = element("div", { class: "plot", "aria-hidden": "true" });
    this.caption = element("figcaption", {});
    this.tools = zooms ? this.#zoomTools() : null;
    this.legend = new PlotLegend(lines, bands, unit);
    this.table = this.#tableOf();
    this.node = element(
      "figure",
      { class: "figure", role: "group", "aria-label": title },
      this.holder,
      element("div", { class: "under" }, this.legend.node, this.tools),
      this.caption,
      this.table,
    );
    this.#take(lines, x, labels);
    this.#follow();
  }

  // New values for the same lines.
  set(lines, x = null, labels = null) {
    this.#take(lines, x, labels);
    if (this.chart) this.show(0, this.x.length - 1);
  }

  describe(text) {
    this.caption.textContent = text;
  }

  // Shows the places from..to of x, with the axis of values that fits them.
  show(from, to) {
    const last = this.x.length - 1;
    this.from = Math.max(0, Math.floor(from));
    this.to = Math.max(Math.min(last, Math.max(Math.ceil(to), this.from + 1)), 0);
    if (!this.chart) return;
    const margin = [Math.max(0, this.from - 1), Math.min(last, this.to + 1) + 1];
    const values = this.lines.map((line) => line.values);
    this.chart.batch(() => {
      this.chart.setData(thinned(this.x, values, ...margin, Math.round(this.chart.width * devicePixelRatio)), false);
      // Bars stand beside their number, half a step to each side.
      const edge = this.lines[0].bars ? 0.5 : 0;
      this.chart.setScale("x", { min: (this.x[this.from] ?? 0) - edge, max: (this.x[this.to] ?? 1) + edge });
    });
  }

  zoom(factor) {
    const middle = (this.from + this.to) / 2;
    const half = Math.max(((this.to - this.from) / 2) * factor, 2);
    this.show(middle - half, middle + half);
  }

  pan(share) {
    const width = this.to - this.from;
    const from = Math.min(Math.max(0, this.from + width * share), this.x.length - 1 - width);
    this.show(from, from + width);
  }

  #take(lines, x, labels) {
    this.lines = lines;
    this.x = x ?? Float64Array.from(lines[0].values, (_, place) => place);
    this.labels = labels;
    this.from = 0;
    this.to = Math.max(1, this.x.length - 1);
  }

  // Drawn once it has a width, and again in other colours.
  #follow() {
    const resized = new ResizeObserver(() => {
      const width = Math.floor(this.holder.clientWidth);
      if (!width) return;
      if (!this.chart) this.#draw(width);
      else if (width !== this.chart.width) {
        this.chart.setSize({ width, height: this.height });
        this.show(this.from, this.to);
      }
    });
    resized.observe(this.holder);
    const redraw = () => {
      if (!this.holder.isConnected) document.removeEventListener("themechange", redraw);
      else if (this.chart) this.#draw(this.chart.width);
    };
    document.addEventListener("themechange", redraw);
  }

  #draw(width) {
    this.chart?.destroy();
    const { from, to } = this;
    this.chart = new uPlot(this.#options(width), [[0], ...this.lines.map(() => [null])], this.holder);
    this.show(from, to);
  }

  #options(width) {
    const axis = {
      stroke: colour("muted"),
      font: "12px system-ui, sans-serif",
      grid: { stroke: colour("grid"), width: 1 },
      ticks: { stroke: colour("grid"), width: 1, size: 5 },
    };
    return {
      width,
      height: this.height,
      padding: [12, 32, 0, 4],
      scales: { x: { time: false }, y: this.lines[0].bars ? { range: (_, low, high) => [Math.min(0, low), Math.max(1, high * 1.1)] } : {} },
      cursor: {
        y: false,
        drag: { x: this.tools !== null, y: false, setScale: false },
        points: { size: 7 },
        bind: { dblclick: () => () => this.show(0, this.x.length - 1) },
      },
      legend: { show: false },
      axes: [
        { ...axis, size: 34, space: this.labels ? 100 : 48, incrs: STEPS, values: (_, splits) => splits.map((x) => this.#labelOf(x, true)) },
        { ...axis, size: (_, values) => 14 + 7.2 * Math.max(2, ...(values ?? []).map((one) => one.length)), values: (_, splits) => splits.map(compact) },
      ],
      series: [{}, ...this.lines.map((line) => this.#seriesOf(line))],
      bands: this.bands.map((band) => ({
        series: [band.upper + 1, band.lower + 1],
        fill: colour(band.colour),
      })),
      hooks: {
        setSelect: [
          (chart) => {
            const { left, width: wide } = chart.select;
            if (wide > 4) this.show(this.#placeOf(chart.posToVal(left, "x")), this.#placeOf(chart.posToVal(left + wide, "x")));
            chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
        setCursor: [(chart) => this.#read(chart)],
        draw: this.now === null ? [] : [(chart) => this.#drawNow(chart)],
      },
    };
  }

  #seriesOf(line) {
    return {
      label: line.name,
      stroke: line.colour ? colour(line.colour) : "transparent",
      width: line.width ?? 1.75,
      dash: line.dash,
      fill: line.fill ? colour(line.fill) : undefined,
      paths: line.bars ? uPlot.paths.bars({ size: [0.7, 48] }) : undefined,
      points: { show: line.points ?? false, size: 6 },
    };
  }

  #read(chart) {
    const row = chart.cursor.idx ?? null;
    this.legend.show(chart.data, row, row === null ? "" : this.#labelOf(chart.data[0][row]));
  }

  #drawNow(chart) {
    const x = Math.round(chart.valToPos(this.now, "x", true));
    const { left, top, width, height } = chart.bbox;
    if (x < left || x > left + width) return;
    chart.ctx.save();
    chart.ctx.strokeStyle = colour("muted");
    chart.ctx.setLineDash([3, 4]);
    chart.ctx.beginPath();
    chart.ctx.moveTo(x, top);
    chart.ctx.lineTo(x, top + height);
    chart.ctx.stroke();
    chart.ctx.restore();
  }

  #placeOf(x) {
    return x - this.x[0];
  }

  #labelOf(x, short = false) {
    if (!Number.isInteger(x)) return "";
    if (!this.labels) return compact(x);
    const text = String(this.labels[this.#placeOf(x)] ?? "");
    return short ? text.replace(/[T ]00:00(:00)?(\.0+)?(Z|\+00:00)?$/, "").replace("T", " ").slice(0, 16) : text;
  }

  #zoomTools() {
    const tool = (text, name, act) => button(text, act, { class: "tool", "aria-label": `${name}: ${this.title}`, title: name });
    return element(
      "div",
      { class: "tools" },
      tool("←", "Earlier", () => this.pan(-0.5)),
      tool("→", "Later", () => this.pan(0.5)),
      tool("+", "Closer", () => this.zoom(0.5)),
      tool("−", "Farther", () => this.zoom(2)),
      tool("All", "Everything", () => this.show(0, this.x.length - 1)),
    );
  }

  // Made when it is opened: the table is long, and few look.
  #tableOf() {
    const place = element("div", {});
    const details = element("details", { class: "numbers" }, element("summary", {}, "Numbers as a table"), place);
    details.addEventListener("toggle", () => {
      if (details.open) place.replaceChildren(...this.#tableParts());
    });
    return details;
  }

  #tableParts() {
    const rows = [];
    for (let row = Math.max(0, this.x.length - MOST_TABLE_ROWS); row < this.x.length; row++) rows.push(this.#rowOf(row));
    const left = this.x.length - rows.length;
    return [
      table(["Step", ...this.lines.map((line) => line.name)], rows.map((cells) => cells.map(wordOf)), this.title),
      element("p", { class: "hint" }, left > 0 ? `The last ${rows.length} of ${this.x.length} rows. ` : "",
        button("Save all as CSV", () => this.#save(), { class: "plain" })),
    ];
  }

  #rowOf(row) {
    const step = this.labels ? (this.labels[row] ?? "") : this.x[row];
    return [step, ...this.lines.map((line) => line.values[row])];
  }

  #save() {
    const lines = [["step", ...this.lines.map((line) => line.name)]];
    for (let row = 0; row < this.x.length; row++) lines.push(this.#rowOf(row).map((cell) => (Number.isNaN(cell) ? "" : cell ?? "")));
    const quoted = (cell) => (/[",\n]/.test(cell) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell));
    saved(`${this.title}.csv`, lines.map((cells) => cells.map(quoted).join(",")).join("\n"), "text/csv");
  }
}

function wordOf(cell) {
  if (cell === null || cell === undefined || Number.isNaN(cell)) return null;
  return typeof cell === "number" ? compact(cell) : String(cell);
}
