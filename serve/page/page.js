// The page asks the endpoint like any other client: /v1/models, /v1/history, /v1/forecast. Texts are set, never parsed as HTML.

import { draw } from "./chart.js";
import { duration, moment, number, percent, written } from "./words.js";

const EVERY = 5000; // milliseconds between two looks
const HISTORY = 200; // steps that are shown before a forecast
const MAX_ROWS = 200000; // of a pasted table
const $ = (id) => document.getElementById(id);
const state = { models: [], kept: new Map(), shown: null, own: null, busy: false };

class Refused extends Error {
  constructor(status, body) {
    super(body.error || `the endpoint answered ${status}`);
    this.status = status;
    this.hint = body.hint || "";
    this.where = body.where || "";
  }
}

async function call(path, body) {
  const headers = { accept: "application/json" };
  const token = sessionStorage.getItem("token");
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  const response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

function tell(error) {
  const box = $("notice");
  box.hidden = !error;
  if (!error) return;
  const where = error.where ? ` (at ${error.where})` : "";
  box.textContent = error instanceof TypeError ? "The endpoint does not answer." : `${error.message}${where}${error.hint ? `\n${error.hint}` : ""}`;
  if (error.status === 401) $("login").hidden = false;
}

function cell(row, text, kind) {
  const box = row.insertCell();
  box.textContent = text;
  if (kind) box.className = kind;
  return box;
}

async function models() {
  const answer = await call("v1/models");
  const fresh = JSON.stringify(answer.models) !== JSON.stringify(state.models);
  state.models = answer.models;
  if (!fresh) return;
  const body = $("models").tBodies[0];
  body.replaceChildren();
  for (const model of answer.models) {
    const row = body.insertRow();
    cell(row, model.name);
    cell(row, model.version);
    cell(row, model.horizon ?? "", "n");
    cell(row, model.freq ?? "");
    cell(row, model.series === undefined ? "" : number(model.series), "n");
    cell(row, model.last_time === undefined ? "" : written(model.last_time));
    const members = Object.entries(model.members || {}).sort((a, b) => b[1] - a[1]);
    cell(row, members.slice(0, 4).map(([name, weight]) => `${name} ${percent(weight)}`).join(", ") + (members.length > 4 ? ", …" : ""));
    cell(row, model.default ? "" : "on request");
  }
  const chosen = $("model").value;
  $("model").replaceChildren(...answer.models.map((m) => new Option(m.default ? m.name : `${m.name}@${m.version}`)));
  if ([...$("model").options].some((o) => o.value === chosen)) $("model").value = chosen;
  else if (answer.default) $("model").value = answer.default;
  offer();
}

function described() {
  const [name, version] = $("model").value.split("@");
  return state.models.find((m) => m.name === name && (version ? m.version === version : m.default));
}

function offer() {
  const ids = described()?.example_ids || [];
  $("ids").replaceChildren(...ids.map((id) => new Option(id)));
  if (!ids.includes($("series").value) && ids.length && !state.shown) $("series").value = ids[0];
}

async function health() {
  const pill = $("health");
  try {
    const response = await fetch("v2/health/ready", { cache: "no-store" });
    pill.textContent = response.ok ? "ready" : "not ready";
    pill.className = `pill ${response.ok ? "good" : "bad"}`;
  } catch {
    pill.textContent = "no answer";
    pill.className = "pill bad";
  }
}

// The forecast that was shown first stays in grey, so that one sees how what came compares with it.
function keep(key, forecast, history) {
  const last = history.time.length ? moment(history.time[history.time.length - 1]) : -Infinity;
  const kept = state.kept.get(key) || [];
  if (!kept.length || kept[kept.length - 1].time[0] !== forecast.time[0]) kept.push(forecast);
  while (kept.length > 1 && moment(kept[0].time[kept[0].time.length - 1]) < last) kept.shift();
  state.kept.set(key, kept.slice(-50));
  return kept.length > 1 ? kept[0] : null;
}

async function show() {
  const model = $("model").value, id = $("series").value;
  if (!model || !id) return;
  const began = performance.now();
  const answer = await call("v1/forecast", { model, series: [{ id }] });
  const took = performance.now() - began;
  const forecast = answer.forecasts[0];
  if (!forecast) throw new Refused(422, answer.errors[0] || {});
  const query = new URLSearchParams({ model, id, last: HISTORY });
  const history = await call(`v1/history?${query}`).catch((error) => {
    if (error.status === 404) return { time: [], y: [] };
    throw error;
  });
  const old = keep(`${model} ${id}`, forecast, history);
  draw($("chart"), { history, forecast, old });
  legend(answer, Boolean(old));
  state.shown = { model, id };
  $("answered").textContent = `version ${answer.model_version}, ${duration(took)}, request ${answer.request_id}`;
  const n = forecast.mean.length - 1;
  $("read").textContent = `${id}: ${number(forecast.mean[0])} at ${written(forecast.time[0])}, ${number(forecast.mean[n])} at ${written(forecast.time[n])}.`
    + (history.y.length ? ` Last value ${number(history.y[history.y.length - 1])} at ${written(history.time[history.time.length - 1])}.` : "");
}

function legend(answer, old) {
  const levels = answer.quantiles;
  const keys = [["actual", "actual"], ["mean", "forecast"]];
  if (levels.length > 1) keys.push(["band", `${percent(levels[levels.length - 1] - levels[0])} interval`]);
  if (old) keys.push(["came", "came after the grey forecast"]);
  $("legend").replaceChildren(...keys.map(([kind, text]) => {
    const key = document.createElement("span");
    key.className = `key ${kind}`;
    key.textContent = text;
    return key;
  }));
}

// Separators are guessed from the first line; quotes as in RFC 4180.
export function parse(text) {
  const first = text.slice(0, text.search(/\r?\n|$/));
  const comma = ["\t", ";", ","].find((c) => first.includes(c)) || ",";
  const rows = [];
  let row = [], field = "", quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') { field += c; i++; }
      else if (c === '"') quoted = false;
      else field += c;
    } else if (c === '"') quoted = true;
    else if (c === comma) { row.push(field.trim()); field = ""; }
    else if (c === "\n") { row.push(field.trim()); rows.push(row); row = []; field = ""; }
    else if (c !== "\r") field += c;
  }
  if (field || row.length) { row.push(field.trim()); rows.push(row); }
  return rows.filter((r) => r.some((f) => f !== ""));
}

const isNumber = (text) => text === "" || /^(na|nan|null)$/i.test(text) || Number.isFinite(Number(text));
const isTime = (text) => /^\d{4}-\d\d(-\d\d)?([ T]\d\d:\d\d)?/.test(text);

export function series(rows) {
  if (rows.length > MAX_ROWS) throw new Refused(0, { error: `at most ${MAX_ROWS} rows can be pasted, but there are ${rows.length}` });
  const width = rows[0]?.length || 0;
  const headed = rows.length > 1 && !rows[0].some((f) => f !== "" && (isTime(f) || isNumber(f)));
  const names = headed ? rows[0].map((n) => n.toLowerCase()) : [];
  const body = headed ? rows.slice(1) : rows;
  const named = (...known) => names.findIndex((n) => known.includes(n));
  const columns = [...Array(width).keys()];
  const sample = body.slice(0, 50);
  let time = named("time", "ds", "timestamp", "date", "datetime");
  if (time < 0) time = columns.find((c) => sample.every((r) => isTime(r[c] || ""))) ?? -1;
  let id = named("id", "unique_id", "item_id", "series", "series_id");
  if (id < 0) id = columns.find((c) => c !== time && sample.some((r) => !isNumber(r[c] || ""))) ?? -1;
  let y = named("y", "target", "value");
  if (y < 0) y = columns.filter((c) => c !== time && c !== id && sample.every((r) => isNumber(r[c] || ""))).pop() ?? -1;
  if (y < 0) throw new Refused(0, { error: "no column holds numbers", hint: "for example two columns: time,y" });
  const found = new Map();
  for (const row of body) {
    const name = id < 0 ? "pasted" : row[id];
    if (!found.has(name)) found.set(name, { id: name, ...(time < 0 ? {} : { time: [] }), y: [] });
    const one = found.get(name), text = row[y] ?? "";
    if (!isNumber(text)) throw new Refused(0, { error: `every value must be a number or empty, but one is ${JSON.stringify(text)}` });
    one.y.push(text === "" || !Number.isFinite(Number(text)) ? null : Number(text));
    if (time >= 0) one.time.push(/^-?\d+$/.test(row[time]) ? Number(row[time]) : row[time].replace(" ", "T"));
  }
  return [...found.values()];
}

async function forecastOwn() {
  const given = series(parse($("csv").value));
  const answer = await call("v1/forecast", { model: $("model").value, series: given });
  state.own = { given: new Map(given.map((s) => [s.id, s])), answer };
  $("pasted").replaceChildren(...answer.forecasts.map((f) => new Option(f.id)));
  $("which").hidden = answer.forecasts.length < 2;
  $("save").hidden = !answer.forecasts.length;
  showOwn();
  const bad = answer.errors.map((e) => `${e.id}: ${e.error}`);
  if (bad.length) tell({ message: bad.slice(0, 5).join("\n") });
}

function showOwn() {
  const { given, answer } = state.own;
  const forecast = answer.forecasts.find((f) => f.id === $("pasted").value) || answer.forecasts[0];
  if (!forecast) return;
  const one = given.get(forecast.id);
  const steps = one.y.slice(-HISTORY);
  const time = one.time ? one.time.slice(-HISTORY) : before(forecast.time, steps.length);
  $("own").hidden = false;
  draw($("own"), { history: { time, y: steps }, forecast, old: null });
  const n = forecast.mean.length - 1;
  $("own-read").textContent = `${answer.forecasts.length} series, ${n + 1} steps, ${answer.model} version ${answer.model_version}. `
    + `${number(forecast.mean[0])} at ${written(forecast.time[0])}, ${number(forecast.mean[n])} at ${written(forecast.time[n])}.`;
}

// Values without times end just before the forecast begins.
function before(times, count) {
  const first = moment(times[0]), step = times.length > 1 ? moment(times[1]) - first : 1;
  const back = [...Array(count).keys()].map((i) => first - (count - i) * step);
  return typeof times[0] === "number" ? back : back.map((t) => new Date(t).toISOString().replace(".000Z", ""));
}

function save() {
  const { answer } = state.own;
  const levels = answer.quantiles.map(String);
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [["id", "time", "mean", ...levels].join(",")];
  for (const f of answer.forecasts) {
    f.time.forEach((t, i) => lines.push([quote(String(f.id)), t, f.mean[i], ...Object.values(f.quantiles).map((q) => q[i])].join(",")));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = "forecast.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

async function attempt(work) {
  if (state.busy) return;
  state.busy = true;
  try {
    await work();
    tell(null);
  } catch (error) {
    tell(error);
  } finally {
    state.busy = false;
  }
}

async function own(event) {
  event?.preventDefault();
  $("forecast").disabled = true;
  try { await forecastOwn(); $("notice").hidden = !state.own.answer.errors.length; } catch (error) { tell(error); $("own").hidden = true; $("own-read").textContent = ""; }
  $("forecast").disabled = false;
}

$("ask").addEventListener("submit", (event) => { event.preventDefault(); attempt(show); });
$("model").addEventListener("change", () => { state.shown = null; offer(); attempt(show); });
$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  $("login").hidden = true;
  attempt(async () => { await models(); await show(); });
});
$("forecast").addEventListener("click", own);
$("pasted").addEventListener("change", showOwn);
$("save").addEventListener("click", save);
$("file").addEventListener("change", async () => { const file = $("file").files[0]; if (file) { $("csv").value = await file.text(); own(); } });
let resizing;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { if (state.shown) attempt(show); if (state.own) showOwn(); }, 200); });

async function refresh() {
  if (document.hidden) return;
  await health();
  await attempt(async () => { await models(); if (state.shown) await show(); });
}
await refresh();
await attempt(show);
setInterval(refresh, EVERY);
