/** The two sides of a comparison in the address: a recording and a window of time each. Pure. */

import type { TimeWindow } from "./polling";

/** `a` is always there, `b` where two are compared. */
export type Side = "a" | "b";

export interface SideChoice {
  set: string | null;
  window: TimeWindow;
}

/** Windows that end now, in milliseconds. */
export const LAST: readonly [ms: number, words: string][] = [
  [60_000, "last minute"],
  [300_000, "last 5 minutes"],
  [900_000, "last 15 minutes"],
];

export function sideOf(params: URLSearchParams, side: Side): SideChoice {
  const number = (key: string) => {
    const text = params.get(`${side}.${key}`);
    const value = text === null || text === "" ? Number.NaN : Number(text);
    return Number.isFinite(value) ? value : null;
  };
  const set = params.get(side) ?? (side === "a" ? params.get("set") : null);
  return { set, window: { lastMs: number("last"), fromMs: number("from"), toMs: number("to") } };
}

/** The parameters of a side, for `href`. */
export function sideParams(side: Side, { set, window }: SideChoice): Record<string, string | number | null> {
  return { [side]: set, [`${side}.last`]: window.lastMs, [`${side}.from`]: window.fromMs, [`${side}.to`]: window.toMs };
}

/** For `<input type="datetime-local">`, in local time with seconds. */
export function toLocal(ms: number | null): string {
  if (ms === null) return "";
  const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 19);
}

export function fromLocal(text: string): number | null {
  const ms = new Date(text).getTime();
  return Number.isFinite(ms) ? ms : null;
}
