/** Which rows a waterfall has. In: spans, and what is folded. Out: rows, top to bottom. Pure. */

import type { SpanView, TraceView } from "./model";

/** What is shown below a span: nothing; the application's spans; the data plane's as well. */
export type Fold = "closed" | "application" | "all";

export interface Row {
  span: number;
  /** 1 is a root. */
  level: number;
  fold: Fold;
  /** The folds that differ for this span; one means that nothing is below it. */
  folds: readonly Fold[];
  /** Paths that are drawn inside this row's bar: its part of the data plane is seen without unfolding. */
  inline: readonly number[];
  /** Among its siblings, from 1; and how many they are. */
  position: number;
  siblings: number;
}

/** The spans' tree. */
export class SpanTree {
  readonly roots: number[] = [];
  private readonly application: number[][];
  private readonly paths: number[][];

  constructor(readonly spans: readonly SpanView[]) {
    this.application = spans.map(() => []);
    this.paths = spans.map(() => []);
    spans.forEach((span, at) => {
      const parent = this.parent(at);
      if (parent === null) this.roots.push(at);
      else (isDataPlane(span) ? this.paths : this.application)[parent]?.push(at);
    });
  }

  /** Null for roots, and for a parent that does not come first. */
  parent(at: number): number | null {
    const parent = this.spans[at]?.parent ?? null;
    return parent !== null && parent >= 0 && parent < at ? parent : null;
  }
  dataPlaneBelow(at: number): readonly number[] {
    return this.paths[at] ?? [];
  }
  applicationBelow(at: number): readonly number[] {
    return this.application[at] ?? [];
  }
  folds(at: number): Fold[] {
    const application = this.applicationBelow(at).length > 0;
    const paths = this.dataPlaneBelow(at).length > 0;
    return ["closed", ...(application && paths ? ["application" as const] : []), ...(application || paths ? ["all" as const] : [])];
  }
  /** Everything below, in order of start. */
  children(at: number, fold: Fold): readonly number[] {
    if (fold === "closed") return [];
    if (fold === "application") return this.applicationBelow(at);
    return [...this.applicationBelow(at), ...this.dataPlaneBelow(at)].sort((a, b) => a - b);
  }
}

export type Folds = ReadonlyMap<number, Fold>;

export function rowsOf(tree: SpanTree, folds: Folds): Row[] {
  const rows: Row[] = [];
  const pending: { span: number; level: number; position: number; siblings: number }[] = [];
  const push = (spans: readonly number[], level: number) => {
    for (let at = spans.length - 1; at >= 0; at -= 1)
      pending.push({ span: spans[at] as number, level, position: at + 1, siblings: spans.length });
  };
  push(tree.roots, 1);
  for (let next = pending.pop(); next; next = pending.pop()) {
    const possible = tree.folds(next.span);
    const wanted = folds.get(next.span) ?? "closed";
    const fold = possible.includes(wanted) ? wanted : (possible[possible.length - 1] as Fold);
    const inline = tree.dataPlaneBelow(next.span).filter((at) => tree.spans[at]?.role !== "hop");
    rows.push({ ...next, fold, folds: possible, inline });
    push(tree.children(next.span, fold), next.level + 1);
  }
  return rows;
}

/** Rows with which the hops of the slowest path are open from the start. */
const ONE_SCREEN = 46;

/** All application spans; the paths that failed or lost a packet, with their hops; and the slowest path, if there is room. */
export function firstFolds(view: TraceView, tree: SpanTree): Map<number, Fold> {
  const folds = new Map<number, Fold>();
  const hasApplication = view.spans.some((span) => !isDataPlane(span));
  tree.spans.forEach((span, at) => {
    if (tree.applicationBelow(at).length > 0) folds.set(at, tree.dataPlaneBelow(at).length > 0 ? "application" : "all");
    else if (!hasApplication && span.role === "exchange") folds.set(at, "all");
  });
  const lost = new Set(view.exchanges.flatMap(({ paths }) => paths.flatMap(({ span, drop, refusal }) => (drop || refusal ? [span] : []))));
  const failed = tree.spans.flatMap((span, at) => ((span.failure !== null && isDataPlane(span)) || lost.has(at) ? [at] : []));
  for (const at of failed.slice(0, 20)) open(tree, folds, at);
  const slowest = view.row.longestHops[0]?.span;
  if (slowest !== undefined && failed.length === 0) {
    const wider = new Map(folds);
    reveal(tree, wider, slowest);
    if (rowsOf(tree, wider).length <= ONE_SCREEN) return wider;
  }
  return folds;
}

/** Opens what is above a span, so that it has a row. */
export function reveal(tree: SpanTree, folds: Map<number, Fold>, span: number): void {
  let below = span;
  for (let at = tree.parent(span); at !== null; at = tree.parent(at)) {
    const wanted = tree.dataPlaneBelow(at).includes(below) ? "all" : "application";
    const possible = tree.folds(at);
    const now = folds.get(at) ?? "closed";
    if (now !== "all" && now !== wanted) folds.set(at, possible.includes(wanted) ? wanted : "all");
    below = at;
  }
}

function open(tree: SpanTree, folds: Map<number, Fold>, span: number): void {
  reveal(tree, folds, span);
  if (tree.folds(span).length > 1) folds.set(span, "all");
}

export function isDataPlane(span: SpanView): boolean {
  return span.layer === "dataPlane";
}

/** A part of the trace's time. */
export interface Window {
  fromNs: number;
  toNs: number;
}

export function wholeTime(spans: readonly SpanView[], durationNs: number): Window {
  let [fromNs, toNs] = [0, Math.max(durationNs, 1)];
  for (const span of spans) {
    fromNs = Math.min(fromNs, span.startNs);
    toNs = Math.max(toNs, span.startNs + span.durationNs);
  }
  return { fromNs, toNs };
}

/** The time on which a row's bar is drawn: a hop is drawn on the scale of its own path. */
export function scaleOf(tree: SpanTree, at: number, window: Window): Window {
  if (tree.spans[at]?.role !== "hop") return window;
  const parent = tree.parent(at);
  const path = parent === null ? undefined : tree.spans[parent];
  return path && path.durationNs > 0 ? { fromNs: path.startNs, toNs: path.startNs + path.durationNs } : window;
}

/** Left edge and width in percent, cut at the window's ends; null outside of it. */
export function place(startNs: number, durationNs: number, window: Window): { left: number; width: number } | null {
  const length = window.toNs - window.fromNs;
  const left = ((startNs - window.fromNs) / length) * 100;
  const right = ((startNs + durationNs - window.fromNs) / length) * 100;
  if (right < 0 || left > 100) return null;
  const from = Math.max(0, left);
  return { left: from, width: Math.min(100, right) - from };
}
