/** Numbers as text, as the terminal prints them (`tracer-view/src/render/duration.rs`). Pure. */

const UNITS: readonly [name: string, ns: number, limit: number][] = [
  ["µs", 1e3, 1e3],
  ["ms", 1e6, 1e3],
  ["s", 1e9, 1e4],
  ["h", 3.6e12, 1e4],
];

/** `412 ns`, `84.12 µs`, `1.234 s`: `digits` significant digits above a microsecond. */
export function duration(ns: number, digits = 4): string {
  if (!Number.isFinite(ns)) return "–";
  if (ns < 0) return `-${duration(-ns, digits)}`;
  if (ns < 1000) return `${Math.round(ns)} ns`;
  let [name, unit] = ["d", 8.64e13];
  for (const [candidate, size, limit] of UNITS) {
    const value = ns / size;
    const precision = value < 1e3 ? 10 ** Math.max(0, digits - 3) : 1;
    if (Math.round(value * precision) / precision < limit) {
      [name, unit] = [candidate, size];
      break;
    }
  }
  const value = ns / unit;
  const before = value < 9.9995 ? 1 : value < 99.995 ? 2 : value < 999.95 ? 3 : digits;
  return `${value.toFixed(Math.max(0, digits - before))} ${name}`;
}

/** `+12.3 µs`, `-4.00 ms`, `0 ns`. */
export function difference(ns: number, digits = 3): string {
  return ns > 0 ? `+${duration(ns, digits)}` : duration(ns, digits);
}

/** `2.6 %`, `<0.1 %`, `0 %`, `100 %`. */
export function share(part: number, whole: number): string {
  if (!(whole > 0) || part <= 0) return "0 %";
  const percent = (part / whole) * 100;
  if (percent < 0.1) return "<0.1 %";
  return percent < 9.95 ? `${percent.toFixed(1)} %` : `${percent.toFixed(0)} %`;
}

/** A number with its thousands grouped: `1,234,567`. */
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 call`, `1,234 calls`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `12.3/s`, `0.40/s`: calls in a time. */
export function rate(calls: number, seconds: number): string {
  const perSecond = calls / seconds;
  return `${perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toPrecision(perSecond < 1 ? 2 : 3)}/s`;
}

/** `14:03:09.250` in local time. */
export function clock(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  const millis = String(Math.floor(date.getMilliseconds())).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/** `2026-11-30 14:03:09` in local time. */
export function dateAndClock(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(ms).slice(0, 8)}`;
}

/** A duration that a person typed: `10ms`, `1.5s`, `250us`; null when it is none. */
export function parseDuration(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)?$/.exec(text.trim());
  if (!match) return null;
  const units: Record<string, number> = { ns: 1, us: 1e3, "µs": 1e3, "μs": 1e3, ms: 1e6, s: 1e9, m: 6e10, h: 3.6e12 };
  return Number(match[1]) * (units[match[2] ?? "ms"] ?? 1e6);
}

/** Steps of an axis from `from` to `to`: about `wanted` round values. */
export function ticks(from: number, to: number, wanted: number): number[] {
  const span = to - from;
  if (!(span > 0) || wanted < 1) return [];
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? 10 * power;
  const steps = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) steps.push(at);
  return steps;
}

/** Both ends of a long name, because both distinguish it from others. */
export function shortenMiddle(text: string, max: number): string {
  const chars = [...text];
  if (chars.length <= max) return text;
  const head = Math.ceil((max - 1) / 2);
  return `${chars.slice(0, head).join("")}…${chars.slice(chars.length - (max - 1 - head)).join("")}`;
}
