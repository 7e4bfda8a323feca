/** Keeps what the page has of the source up to date. A server that is gone is asked again. */

import { useEffect, useRef, useState } from "preact/hooks";
import { apply, type Rows } from "./live";
import type { Comparison, TraceSet } from "./model";
import { SourceError, type Source } from "./source";

const EVERY_MS = 1000;
/** While the server does not answer. */
const AGAIN_MS = 3000;

export interface Polled<T> {
  value: T | null;
  /** Why the newest answer is missing. */
  error: SourceError | null;
}

/** Asks at once and then after each answer. `ask` gives the new value, from the old one. */
function usePolling<T>(key: string, live: boolean, everyMs: number, ask: (old: T | null) => Promise<T>): Polled<T> {
  const [state, setState] = useState<Polled<T> & { key: string }>({ key, value: null, error: null });
  const newest = useRef(ask);
  newest.current = ask;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;
    let value: T | null = null;
    setState((old) => (old.key === key ? old : { key, value: null, error: null }));
    const round = async () => {
      let error: SourceError | null = null;
      // A hidden page does not ask: it catches up when it is seen.
      if (!document.hidden || value === null) {
        try {
          value = await newest.current(value);
        } catch (caught) {
          error = asSourceError(caught);
          // A server that was started anew counts its versions anew.
          if (error.gone) value = null;
        }
        if (ended) return;
        setState((old) => {
          const shown = value ?? (old.key === key ? old.value : null);
          return old.key === key && old.value === shown && old.error?.message === error?.message ? old : { key, value: shown, error };
        });
      }
      if (live) timer = setTimeout(round, error ? AGAIN_MS : everyMs);
    };
    void round();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [key, live, everyMs]);
  return state.key === key ? state : { value: null, error: null };
}

export function asSourceError(caught: unknown): SourceError {
  return caught instanceof SourceError ? caught : new SourceError(String(caught), 0);
}

export function useSets(source: Source, generation: number): Polled<TraceSet[]> {
  return usePolling(`sets ${generation}`, source.live, 2 * EVERY_MS, async (old: TraceSet[] | null) => {
    const sets = await source.sets();
    return JSON.stringify(sets) === JSON.stringify(old) ? (old as TraceSet[]) : sets;
  });
}

export function useRows(source: Source, set: string | null): Polled<Rows> {
  return usePolling(`rows ${set}`, source.live && set !== null, EVERY_MS, async (old: Rows | null) => {
    if (set === null) return { version: 0, rows: [], losses: [] };
    return apply(old, await source.list(set, old?.version ?? null));
  });
}

/** A window of time: all of it, its last part, or from one time to another. */
export interface TimeWindow {
  lastMs: number | null;
  fromMs: number | null;
  toMs: number | null;
}

export function useComparison(source: Source, set: string | null, window: TimeWindow): Polled<Comparison> {
  const { lastMs, fromMs, toMs } = window;
  const key = `comparison ${set} ${lastMs} ${fromMs} ${toMs}`;
  return usePolling(key, source.live && set !== null, 3 * EVERY_MS, async (old: Comparison | null) => {
    if (set === null) return { traces: 0, fromMs: null, toMs: null, edges: [] };
    const next = await source.comparison(set, lastMs === null ? fromMs : Date.now() - lastMs, lastMs === null ? toMs : null);
    return JSON.stringify(next) === JSON.stringify(old) ? (old as Comparison) : next;
  });
}
