// Numbers, shares, durations, moments and ticks in words: the same rules as zoo/page/wording.py and axes.py, which a test compares.

const NOTHING = "–";

// Four significant digits, thousands with separators; tiny and huge numbers as 1.2e-05.
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  const short = Number(value.toPrecision(4)), size = Math.abs(short);
  if (size === 0) return "0";
  if (size >= 1000 && size < 1e15) return value.toLocaleString("en", { maximumFractionDigits: 0 });
  if (size >= 1e-4 && size < 1e15) return String(short);
  const [digits, exponent] = short.toExponential().split("e");
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

// A share in percent, with more digits where it would look like nothing.
export function percent(share) {
  const x = 100 * share;
  if (share === null || !Number.isFinite(x)) return NOTHING;
  for (let places = 0; places < 3; places++) {
    if (Number(x.toFixed(places)) || !x) return `${(x + 0).toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places })} %`;
  }
  return x > 0 ? "<0.01 %" : ">-0.01 %";
}

// Of milliseconds; a request takes no minutes.
export function duration(milliseconds) {
  if (milliseconds < 999.5) return milliseconds < 0.5 ? "<1 ms" : `${milliseconds.toFixed(0)} ms`;
  return milliseconds < 9950 ? `${(milliseconds / 1000).toFixed(1)} s` : `${Math.round(milliseconds / 1000)} s`;
}

// Times are ISO 8601 without a zone, or whole numbers of steps: here as numbers.
export function moment(time) {
  if (typeof time === "number") return time;
  const text = String(time).replace(" ", "T");
  const stamp = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? text : text.length <= 10 ? text : text + "Z");
  return Number.isNaN(stamp) ? Number(time) : stamp;
}

// And as text, without the midnight that daily data do not mean.
export function written(time) {
  if (typeof time === "number") return String(time);
  const text = String(time).replace(/[T ]00:00(:00(\.0+)?)?$/, "");
  return text.replace(/([T ]\d\d:\d\d):00(\.0+)?(?=$|Z|[+-])/, "$1").replace("T", " ");
}

// At most `most` round numbers from low to high, rising.
export function ticks(low, high, most = 5) {
  const span = high - low;
  if (!Number.isFinite(span) || !(span > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(span / most));
  for (const multiple of [1, 2, 2.5, 5, 10, 20]) {
    const step = multiple * power, first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
    // Digits that no step can mean are rounding: 3 * 0.1 is 0.3.
    if (last - first < most) return [...new Set([...Array(last - first + 1).keys()].map((k) => Number(((first + k) * step).toPrecision(15))))];
  }
  return [];
}

const UNITS = [[1e12, 1e12, "T"], [1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]];

// Labels short enough for a margin, and long enough to say where the ticks are.
export function tickLabels(values) {
  const largest = Math.max(0, ...values.map(Math.abs));
  const near = 0.01 * Math.min(...values.slice(1).map((value, i) => value - values[i]));
  const close = (read) => values.every((value) => Math.abs(Number(read(value)) - value) <= near);
  if (largest && (largest < 1e-3 || largest >= 1e15)) {
    const digits = [2, 4, 8, 12, 16].find((d) => close((value) => value.toExponential(d))) ?? 16;
    return values.map((value) => (value ? String(Number(value.toExponential(digits)).toExponential()).replace("e+", "e") : "0"));
  }
  const [, by, unit] = UNITS.find(([size]) => largest >= size) || [0, 1, ""];
  const short = (value) => Number((value / by).toPrecision(6));
  if (close((value) => short(value) * by)) return values.map((value) => (value ? short(value).toLocaleString("en", { maximumFractionDigits: 20 }) + unit : "0"));
  const digits = [0, 1, 2, 3, 4, 5, 6].find((d) => close((value) => value.toFixed(d))) ?? 6;
  return values.map((value) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
}
