// One chart of one series: what was, what is forecast, and what came where a forecast had been.

import { moment, number, percent, tickLabels, ticks, written } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const CHARACTER = 6.6; // pixels that a character of a label is wide
const MARGIN = { left: 58, right: 12, top: 10, bottom: 26 };

function element(name, attributes, parent) {
  const shape = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  parent.append(shape);
  return shape;
}

// Levels of one forecast in pairs, the widest first: [0.1, 0.5, 0.9] has one band.
function bands(forecast) {
  const levels = Object.keys(forecast.quantiles).map(Number).sort((a, b) => a - b);
  const key = (level) => Object.keys(forecast.quantiles).find((k) => Number(k) === level);
  const out = [];
  for (let i = 0; i < Math.floor(levels.length / 2); i++) {
    const low = levels[i], high = levels[levels.length - 1 - i];
    if (low < 0.5 && high > 0.5) out.push({ low, high, lows: forecast.quantiles[key(low)], highs: forecast.quantiles[key(high)] });
  }
  return out;
}

function points(xs, ys, x, y) {
  let path = "", pen = false;
  for (let i = 0; i < xs.length; i++) {
    const bad = ys[i] === null || !Number.isFinite(ys[i]);
    if (!bad) path += `${pen ? "L" : "M"}${x(xs[i]).toFixed(1)},${y(ys[i]).toFixed(1)}`;
    pen = !bad;
  }
  return path;
}

function area(xs, lows, highs, x, y) {
  const up = xs.map((t, i) => `${x(t).toFixed(1)},${y(highs[i]).toFixed(1)}`);
  const down = xs.map((t, i) => `${x(t).toFixed(1)},${y(lows[i]).toFixed(1)}`).reverse();
  return `M${[...up, ...down].join("L")}Z`;
}

// history: {time, y}; forecast and old: {time, mean, quantiles}; old may be missing.
export function draw(host, { history, forecast, old }) {
  host.replaceChildren();
  const width = host.clientWidth || 800, height = host.clientHeight || 320;
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" }, host);
  svg.setAttribute("aria-label", `history of ${history.y.length} values and forecast of ${forecast.mean.length} steps`);
  const past = history.time.map(moment), next = forecast.time.map(moment);
  const before = old ? old.time.map(moment) : [];
  const xs = [...past, ...next, ...before];
  const all = [history.y, forecast.mean, ...Object.values(forecast.quantiles)];
  if (old) all.push(old.mean, ...Object.values(old.quantiles));
  const ys = all.flat().filter((v) => v !== null && Number.isFinite(v));
  let [low, high] = [Math.min(...ys), Math.max(...ys)];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  low -= pad; high += pad;
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const levels = ticks(low, high), labels = tickLabels(levels);
  const left = Math.max(MARGIN.left, 10 + CHARACTER * Math.max(0, ...labels.map((text) => text.length)));
  const x = (t) => left + ((t - first) / (last - first || 1)) * (width - left - MARGIN.right);
  const y = (v) => height - MARGIN.bottom - ((v - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);

  levels.forEach((v, i) => {
    element("line", { class: "grid", x1: left, x2: width - MARGIN.right, y1: y(v), y2: y(v) }, svg);
    element("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, svg).textContent = labels[i];
  });
  const times = [...history.time, ...forecast.time];
  const count = Math.max(2, Math.min(7, Math.floor(width / 150)));
  const spacing = (times.length - 1) / count;
  for (let i = 0; i < count; i++) {
    const at = Math.round(i * spacing + spacing / 2);
    const label = element("text", { x: x(moment(times[at])), y: height - 7, "text-anchor": "middle" }, svg);
    label.textContent = written(times[at]);
  }
  if (past.length && next.length) {
    const now = (x(past[past.length - 1]) + x(next[0])) / 2;
    element("line", { class: "now", x1: now, x2: now, y1: MARGIN.top, y2: height - MARGIN.bottom }, svg);
  }
  if (old) {
    for (const b of bands(old).slice(0, 1)) element("path", { class: "oldband", d: area(before, b.lows, b.highs, x, y) }, svg);
    element("path", { class: "old", d: points(before, old.mean, x, y) }, svg);
  }
  for (const b of bands(forecast)) element("path", { class: "band", d: area(next, b.lows, b.highs, x, y) }, svg);
  element("path", { class: "actual", d: points(past, history.y, x, y) }, svg);
  element("path", { class: "mean", d: points(next, forecast.mean, x, y) }, svg);
  if (old) {
    const promised = new Set(before);
    past.forEach((t, i) => {
      if (promised.has(t) && history.y[i] !== null) element("circle", { class: "came", cx: x(t), cy: y(history.y[i]), r: 3 }, svg);
    });
  }
  point(host, svg, { history, forecast, past, next, x, width, height });
}

// The values under the mouse.
function point(host, svg, { history, forecast, past, next, x, width, height }) {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  host.append(tip);
  const line = element("line", { class: "at", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" }, svg);
  const all = [...past, ...next];
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    let best = 0;
    all.forEach((t, i) => { if (Math.abs(x(t) - at) < Math.abs(x(all[best]) - at)) best = i; });
    const i = best - past.length;
    let text;
    if (i < 0) text = `${written(history.time[best])}\n${number(history.y[best])}`;
    else {
      const rows = bands(forecast).map((b) => `${number(b.lows[i])} to ${number(b.highs[i])}  (${percent(b.high - b.low)})`);
      text = [written(forecast.time[i]), number(forecast.mean[i]), ...rows].join("\n");
    }
    tip.textContent = text;
    tip.hidden = false;
    const px = (x(all[best]) / width) * box.width;
    tip.style.left = `${px > box.width / 2 ? px - tip.offsetWidth - 10 : px + 10}px`;
    line.setAttribute("x1", x(all[best]));
    line.setAttribute("x2", x(all[best]));
    line.setAttribute("visibility", "visible");
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; line.setAttribute("visibility", "hidden"); });
}
