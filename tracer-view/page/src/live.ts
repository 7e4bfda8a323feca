/** The rows that the page has of a set. In: answers of `/traces?after=V`. Out: rows, newest first. Pure. */

import type { TraceList, TraceRow } from "./model";

export interface Rows {
  version: number;
  /** Newest first. */
  rows: TraceRow[];
  losses: string[];
}

/** The rows after `list`; the same object where nothing changed. */
export function apply(before: Rows | null, list: TraceList): Rows {
  const unchanged = before && !list.whole && list.rows.length === 0 && list.removed.length === 0;
  if (unchanged && before.version === list.version && before.losses.join() === list.losses.join()) return before;
  if (unchanged) return { version: list.version, rows: before.rows, losses: list.losses };
  const byId = new Map<string, TraceRow>();
  if (before && !list.whole) for (const row of before.rows) byId.set(row.id, row);
  for (const row of list.rows) byId.set(row.id, row);
  for (const id of list.removed) byId.delete(id);
  const rows = [...byId.values()].sort((a, b) => b.startMs - a.startMs || (a.id < b.id ? -1 : 1));
  return { version: list.version, rows, losses: list.losses };
}
