// Draws each [data-chart] from the table within it, with Vega-Lite, under a policy that allows neither eval nor
// inline style. The tables stay, folded away below the pictures.
import { expressionInterpreter } from "./vendor/vega-interpreter-2.3.2.js";

const { vega, vegaLite } = globalThis;
const dark = matchMedia("(prefers-color-scheme: dark)");
const SEPARATORS = { en: [".", ","], pt: [",", "."] };
const FONT_SIZE = 13;
const CHARACTER = 7.2; // width of a digit at that size, generously
const AXIS = 64; // about the width of the numbers beside columns

const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => ({ figure, view: null, width: 0 }));
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true");
document.body.append(tip);

/** The rows that a chart shows: those with a value, in the table's order. */
function readRows(figure) {
  return [...figure.querySelectorAll("tr[data-value]")].map((row) => ({
    name: row.cells[0].textContent.trim(),
    value: Number(row.dataset.value),
    shown: row.cells[1].textContent.trim(),
    href: row.querySelector("a")?.href ?? null,
  }));
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Horizontal bars, each with its name before and its value behind it. */
function bars(rows, width) {
  const longest = Math.max(...rows.map((row) => row.name.length));
  const names = Math.min(longest * CHARACTER + 12, width * 0.4);
  const values = Math.max(...rows.map((row) => row.shown.length)) * CHARACTER + 10;
  const largest = Math.max(...rows.map((row) => row.value), 0);
  // The longest bar ends where its value still fits.
  const room = (width - names) / (width - names - values);
  const domain = [Math.min(...rows.map((row) => row.value), 0), (largest || 1) * room];
  const axis = { domain: false, ticks: false, labelPadding: 8, labelLimit: names };
  const y = { field: "name", type: "nominal", sort: null, title: null, axis };
  const x = { field: "value", type: "quantitative", axis: null, scale: { domain, nice: false } };
  return {
    height: rows.length * 26,
    padding: { left: 0, right: 0, top: 0, bottom: 0 },
    encoding: { y },
    layer: [
      { mark: { type: "bar", color: color("accent"), cornerRadiusEnd: 3, height: 17 }, encoding: { x } },
      { mark: { type: "text", align: "left", dx: 6, color: color("ink") }, encoding: { x, text: { field: "shown" } } },
    ],
  };
}

/** Columns over time; the largest says its value, the axis the size of the others. */
function columns(rows, width) {
  const largest = rows.reduce((a, b) => (b.value > a.value ? b : a), rows[0]);
  const line = color("line");
  const labels = { labelAngle: 0, labelOverlap: "greedy", labelSeparation: 8, labelPadding: 8 };
  const x = {
    field: "name",
    type: "ordinal",
    sort: null,
    title: null,
    axis: { ...labels, domainColor: line, ticks: false },
    scale: { paddingInner: rows.length > 1 ? 0.25 : 0.9, paddingOuter: 0.1 },
  };
  const numbers = { format: largest.value < 10 ? ",.2f" : ",.0f", tickCount: 4, labelPadding: 8, gridColor: line };
  const y = { field: "value", type: "quantitative", title: null, axis: { ...numbers, domain: false, ticks: false } };
  return {
    height: width < 500 ? 200 : 260,
    padding: { left: 0, right: 2, top: 20, bottom: 4 },
    encoding: { x, y },
    layer: [
      { mark: { type: "bar", color: color("accent"), cornerRadiusEnd: 2 } },
      {
        transform: [{ filter: { field: "name", equal: largest.name } }],
        mark: { type: "text", dy: -8, color: color("ink"), align: edge(rows, largest, width) },
        encoding: { text: { field: "shown" } },
      },
    ],
  };
}

/** A label that would reach over an edge begins or ends at its column. */
function edge(rows, row, width) {
  const half = (row.shown.length * CHARACTER) / 2;
  const middle = ((rows.indexOf(row) + 0.5) / rows.length) * (width - AXIS);
  if (middle + half > width - AXIS) return "right";
  return middle - half < 0 ? "left" : "center";
}

const SHAPES = { bars, columns };

function draw(chart) {
  const { figure } = chart;
  const picture = figure.querySelector(".picture");
  const rows = readRows(figure);
  picture.hidden = rows.length === 0;
  chart.width = picture.clientWidth;
  if (picture.hidden || chart.width === 0) return;
  const text = { labelColor: color("soft"), labelFontSize: FONT_SIZE };
  const [decimal, thousands] = SEPARATORS[document.documentElement.lang] ?? SEPARATORS.en;
  const spec = {
    data: { values: rows },
    width: chart.width,
    autosize: { type: "fit", contains: "padding" },
    background: null,
    config: {
      aria: false, // the picture around it says what it shows, and the table has it
      font: getComputedStyle(document.body).fontFamily,
      axis: text,
      text: { fontSize: FONT_SIZE },
      view: { stroke: null },
      locale: { number: { decimal, thousands, grouping: [3], currency: ["", ""] } },
    },
    ...SHAPES[figure.dataset.chart](rows, chart.width),
  };
  figure.removeAttribute("data-drawn");
  chart.view?.finalize();
  const runtime = vega.parse(vegaLite.compile(spec).spec, null, { ast: true });
  const container = makeCanvas(picture);
  chart.view = new vega.View(runtime, { expr: expressionInterpreter, renderer: "svg", container, logLevel: vega.Warn });
  chart.view.addEventListener("mousemove", (event, item) => point(picture, event, item?.datum));
  chart.view.addEventListener("mouseout", () => point(picture, null, null));
  chart.view.addEventListener("click", (_, item) => item?.datum?.href && location.assign(item.datum.href));
  chart.view.runAsync().then(() => figure.setAttribute("data-drawn", ""));
}

/** A place of its own for Vega, which gives it and all within it roles: the picture has its own. */
function makeCanvas(picture) {
  const canvas = document.createElement("div");
  canvas.setAttribute("aria-hidden", "true");
  picture.replaceChildren(canvas);
  return canvas;
}

/** Shows what the pointer is at. */
function point(picture, event, datum) {
  tip.hidden = !datum?.shown;
  picture.classList.toggle("pointed", Boolean(datum?.href));
  if (tip.hidden) return;
  tip.textContent = `${datum.name}: ${datum.shown}`;
  tip.style.left = `${Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${event.clientY + 16}px`;
}

for (const chart of charts) {
  draw(chart);
  new ResizeObserver(() => {
    if (chart.figure.querySelector(".picture").clientWidth !== chart.width) requestAnimationFrame(() => draw(chart));
  }).observe(chart.figure);
}
dark.addEventListener("change", () => charts.forEach(draw));
