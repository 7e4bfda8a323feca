/** The waterfall: a row for each span, only the visible ones in the document. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { Swatch } from "./bar";
import { duration, ticks } from "./format";
import { NARROW, useKeys, useMedia, useVisibleRows } from "./hooks";
import { dropInWords } from "./hops";
import { memo } from "./memo";
import type { SpanView, TraceView } from "./model";
import { firstFolds, isDataPlane, place, reveal, rowsOf, scaleOf, wholeTime, type Fold, type Row, type SpanTree, type Window } from "./rows";

interface Props {
  view: TraceView;
  tree: SpanTree;
  selected: number | null;
  onSelect: (span: number | null) => void;
}

export function Waterfall({ view, tree, selected, onSelect }: Props) {
  const { spans, row } = view;
  const whole = useMemo(() => wholeTime(spans, row.durationNs), [view]);
  const [folds, setFolds] = useState<Map<number, Fold>>(() => firstFolds(view, tree));
  const [zoom, setZoom] = useState<Window | null>(null);
  const window = zoom ?? whole;
  const drops = useMemo(() => dropsOf(view), [view]);
  const rows = useMemo(() => rowsOf(tree, folds), [tree, folds]);
  const narrow = useMedia(NARROW);
  const rowHeight = narrow ? 40 : 20;
  const scroller = useRef<HTMLDivElement>(null);
  const { first, end, scrollTo } = useVisibleRows(scroller, rows.length, rowHeight);
  const [cursor, setCursor] = useState<number | null>(null);
  const current = cursor ?? selected ?? rows[0]?.span ?? 0;
  const at = rows.findIndex(({ span }) => span === current);

  // A span selected elsewhere (a link, a longest hop, the picture) gets a row and comes into view.
  useEffect(() => {
    if (selected === null) return;
    setCursor(selected);
    setFolds((old) => {
      const opened = new Map(old);
      reveal(tree, opened, selected);
      return opened;
    });
  }, [selected, tree]);
  useEffect(() => scrollTo(rows.findIndex(({ span }) => span === cursor)), [cursor, rows]);

  const fold = useCallback((span: number, to: Fold) => {
    setCursor(span);
    setFolds((old) => new Map(old).set(span, to));
  }, []);
  // Late spans: the same spans have other indexes. What the reader folded stays so.
  const drawn = useRef(view);
  useEffect(() => {
    const before = drawn.current;
    if (before === view) return;
    drawn.current = view;
    const now = new Map(spans.flatMap(({ id }, index) => (id === "" ? [] : [[id, index] as const])));
    const moved = (index: number) => now.get(before.spans[index]?.id ?? "");
    setFolds((old) => {
      const next = firstFolds(view, tree);
      for (const [index, to] of old) {
        const at = moved(index);
        if (at !== undefined) next.set(at, to);
      }
      return next;
    });
    setCursor((old) => (old === null ? null : (moved(old) ?? null)));
  }, [view]);
  const move = (to: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (!next) return;
    setCursor(next.span);
    if (selected !== null) onSelect(next.span);
  };
  const zoomTo = (fromNs: number, toNs: number) => {
    const length = Math.max(toNs - fromNs, 10);
    const from = Math.max(whole.fromNs, Math.min(fromNs, whole.toNs - length));
    const to = Math.min(whole.toNs, from + length);
    setZoom(from <= whole.fromNs && to >= whole.toNs ? null : { fromNs: from, toNs: to });
  };
  const zoomBy = (factor: number) => {
    const span = spans[current];
    const middle = span ? Math.max(window.fromNs, Math.min(window.toNs, span.startNs + span.durationNs / 2)) : (window.fromNs + window.toNs) / 2;
    const half = ((window.toNs - window.fromNs) * factor) / 2;
    zoomTo(middle - half, middle + half);
  };
  const zoomToSpan = (index: number) => {
    const span = spans[index];
    if (!span) return;
    const scale = scaleOf(tree, index, { fromNs: span.startNs, toNs: span.startNs + span.durationNs });
    const margin = (scale.toNs - scale.fromNs) * 0.05;
    zoomTo(scale.fromNs - margin, scale.toNs + margin);
  };
  const withHops = useMemo(() => spans.flatMap((_, index) => (tree.dataPlaneBelow(index).length > 0 ? [index] : [])), [tree]);
  const allOpen = withHops.every((index) => folds.get(index) === "all");
  const toggleAll = () => setFolds(() => {
    if (allOpen) return firstFolds(view, tree);
    const opened = new Map<number, Fold>();
    spans.forEach((_, index) => opened.set(index, "all"));
    return opened;
  });

  useKeys((event) => {
    const here = rows[at];
    const focused = scroller.current?.contains(event.target as Node) === true;
    const inside = focused || event.target === document.body || (event.target as HTMLElement).id === "main";
    const step = (by: 1 | -1) => here?.folds[here.folds.indexOf(here.fold) + by];
    const next = step(1);
    const previous = step(-1);
    if (event.key === "j" || (event.key === "ArrowDown" && inside)) move(at + 1);
    else if (event.key === "k" || (event.key === "ArrowUp" && inside)) move(at - 1);
    else if (event.key === "Home" && focused) move(0);
    else if (event.key === "End" && focused) move(rows.length - 1);
    else if (event.key === "PageDown" && focused) move(at + 15);
    else if (event.key === "PageUp" && focused) move(at - 15);
    else if (event.key === "Enter" && inside && here) onSelect(here.span);
    else if (event.key === "ArrowRight" && inside && here) {
      if (next) fold(here.span, next);
      else if (here.folds.length > 1) move(at + 1);
    } else if (event.key === "ArrowLeft" && inside && here) {
      if (previous) fold(here.span, previous);
      else {
        const parent = tree.parent(here.span);
        if (parent !== null) move(rows.findIndex(({ span }) => span === parent));
      }
    } else if (event.key === "z") zoomToSpan(current);
    else if (event.key === "0") setZoom(null);
    else if (event.key === "+" || event.key === "=") zoomBy(0.5);
    else if (event.key === "-") zoomBy(2);
    else if (event.key === "h") toggleAll();
    else return;
    event.preventDefault();
  });

  const hasHops = withHops.length > 0;
  const drag = useDrag((fromShare, toShare) => {
    const length = window.toNs - window.fromNs;
    zoomTo(window.fromNs + fromShare * length, window.fromNs + toShare * length);
  });
  return (
    <section class="waterfallSection" aria-labelledby="waterfall-title">
      <div class="sectionTop">
        <h2 id="waterfall-title">Waterfall</h2>
        <p class="legend">
          <span><Swatch kind="application" /> application</span>
          <span><Swatch kind="dataPlane" /> data plane</span>
          <span><Swatch kind="hop" /> hop, on the scale of its own path</span>
          {hasHops && <span class="chipLegend"><span class="chip">+2</span> unfolds 2 paths of the data plane</span>}
        </p>
        <span class="spacer" />
        {zoom && <button type="button" onClick={() => setZoom(null)}>Whole trace <kbd>0</kbd></button>}
        <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoomBy(0.5)}>+</button>
        <button type="button" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoomBy(2)}>−</button>
        {hasHops && <button type="button" onClick={toggleAll}>{allOpen ? "Fold hops" : "Unfold all hops"} <kbd>h</kbd></button>}
      </div>
      <div class="waterfallFrame" ref={drag.frame} onPointerDown={drag.down}>
        <div
          class="waterfall" role="treegrid" aria-label="Spans" aria-rowcount={rows.length + 1} aria-colcount={3} tabIndex={0}
          aria-activedescendant={at >= first && at < end ? `row-${current}` : undefined} ref={scroller}
        >
          <div role="rowgroup" class="axis" data-sticky>
            <div role="row" aria-rowindex={1} class="spanRow head">
              <span role="columnheader" class="spanName">Span</span>
              <span role="columnheader" class="spanTime">Duration</span>
              <span role="columnheader" class="track" data-track aria-label="Time"><Axis window={window} narrow={narrow} /></span>
            </div>
          </div>
          <div role="rowgroup" class="spanRows" style={{ height: `${rows.length * rowHeight}px` }}>
            {rows.slice(first, end).map((one, index) => (
              <SpanRow
                key={one.span} row={one} index={first + index} top={(first + index) * rowHeight} spans={spans} tree={tree} window={window}
                current={one.span === current} selected={one.span === selected} drop={drops.get(one.span) ?? null} onFold={fold} onSelect={onSelect}
              />
            ))}
          </div>
        </div>
        {drag.range && <div class="dragged" style={{ left: `${drag.range.left}px`, width: `${drag.range.width}px` }} />}
      </div>
    </section>
  );
}

function Axis({ window, narrow }: { window: Window; narrow: boolean }) {
  const length = window.toNs - window.fromNs;
  return (
    <>
      {ticks(window.fromNs, window.toNs, narrow ? 3 : 6).map((at) => {
        const share = ((at - window.fromNs) / length) * 100;
        return share > 88 ? null : <span key={at} class="tick" style={{ left: `${share}%` }}>{at === 0 ? "0" : duration(at, 3)}</span>;
      })}
    </>
  );
}

interface RowProps {
  row: Row;
  index: number;
  top: number;
  spans: readonly SpanView[];
  tree: SpanTree;
  window: Window;
  current: boolean;
  selected: boolean;
  /** That a packet was dropped in this hop. */
  drop: string | null;
  onFold: (span: number, to: Fold) => void;
  onSelect: (span: number) => void;
}

const SpanRow = memo(function SpanRow({ row, index, top, spans, tree, window, current, selected, drop, onFold, onSelect }: RowProps) {
  const span = spans[row.span] as SpanView;
  const scale = scaleOf(tree, row.span, window);
  const bar = place(span.startNs, span.durationNs, scale);
  const kind = kindOf(span);
  const openable = row.folds.length > 1;
  const paths = row.inline.length;
  const offersPaths = paths > 0 && !isDataPlane(span);
  const label = offersPaths ? `${row.fold === "all" ? "−" : "+"}${paths}: ${row.fold === "all" ? "fold" : "unfold"} the data plane of ${span.name}` : "";
  const words = span.failure ?? drop;
  const fails = words !== null;
  const indent = Math.min(row.level - 1, 14) * 13;
  const device = span.role === "hop" ? hopInterface(span) : null;
  // What fits for certain is not clipped: a clip for each row is a fourth of the time that painting takes.
  const fits = span.role === "hop" && row.level <= 6 && span.name.length + (device?.length ?? 0) <= 24;
  const classes = `spanRow ${kind}${current ? " current" : ""}${selected ? " selected" : ""}${fails ? " failed" : ""}${fits ? " fits" : ""}`;
  return (
    <div
      id={`row-${row.span}`} role="row" aria-rowindex={index + 2} aria-level={row.level} aria-posinset={row.position} aria-setsize={row.siblings}
      aria-expanded={openable ? row.fold !== "closed" : undefined} aria-selected={selected} class={classes}
      style={{ top: `${top}px` }} onClick={() => onSelect(row.span)}
    >
      <span role="rowheader" class="spanName" style={{ paddingLeft: `${indent + (openable ? 4 : 23)}px` }}>
        {openable && <Twist row={row} onFold={onFold} name={span.name} />}
        <Sign kind={kind} />
        {!isDataPlane(span) && <b class="service">{span.service}</b>}
        <span class="spanTitle" title={[`${span.service} ${span.name}`, ...span.notes].join("\n")}>{span.name}</span>
        {span.detached !== null && <span class="muted note">{span.detached}</span>}
        {isDataPlane(span) && span.role !== "hop" && span.notes[0] !== undefined && <span class="muted note">{span.notes[0]}</span>}
        {device !== null && <span class="muted"> {device}</span>}
        {offersPaths && (
          <button
            type="button" class="chip" tabIndex={-1} aria-label={label} title={label}
            onClick={(event) => {
              event.stopPropagation();
              onFold(row.span, row.fold === "all" ? (row.folds.includes("application") ? "application" : "closed") : "all");
            }}
          >
            {row.fold === "all" ? "−" : "+"}{paths}
          </button>
        )}
      </span>
      <span role="gridcell" class="spanTime number">{duration(span.durationNs)}</span>
      <span role="gridcell" class="track" data-track aria-label={fails ? undefined : positionInWords(span)}>
        {bar && <span class={`spanBar fill ${kind}`} style={percent(bar)} />}
        {row.inline.map((path) => {
          const one = spans[path] as SpanView;
          const inner = place(one.startNs, one.durationNs, window);
          return inner && <span key={path} class={`spanBar inline fill dataPlane${one.failure !== null ? " failed" : ""}`} style={percent(inner)} />;
        })}
        {fails && <span class="why" style={besides(bar)} title={words}><span class="cross" aria-hidden="true">✕</span><span class="hidden">{positionInWords(span)}, failed: </span>{words}</span>}
      </span>
    </div>
  );
});

function Twist({ row, name, onFold }: { row: Row; name: string; onFold: (span: number, to: Fold) => void }) {
  const open = row.fold !== "closed";
  const outer = row.folds[1] as Fold;
  return (
    <button
      type="button" class="twist" tabIndex={-1} aria-label={`${open ? "Fold" : "Unfold"} ${name}`}
      onClick={(event) => {
        event.stopPropagation();
        onFold(row.span, open ? "closed" : outer);
      }}
    >
      <span aria-hidden="true">{open ? "▾" : "▸"}</span>
    </button>
  );
}

function Sign({ kind }: { kind: string }) {
  return <span class={`sign fill ${kind}`} aria-hidden="true" />;
}

function kindOf(span: SpanView): "application" | "dataPlane" | "hop" | "exchange" {
  if (!isDataPlane(span)) return "application";
  if (span.role === "hop") return "hop";
  return span.role === "exchange" ? "exchange" : "dataPlane";
}

export function hopInterface(span: SpanView): string | null {
  return span.attributes.find(([key]) => key === "network.interface.name")?.[1] ?? null;
}

function positionInWords(span: SpanView): string {
  const layer = isDataPlane(span) ? "data plane" : "application";
  return `${layer}, from ${duration(span.startNs)} to ${duration(span.startNs + span.durationNs)}`;
}

function percent({ left, width }: { left: number; width: number }): JSX.CSSProperties {
  return { left: `${left}%`, width: `${width}%` };
}

/** The hops in which a packet was dropped, and the paths that lost one, in words. */
function dropsOf({ exchanges }: TraceView): Map<number, string> {
  const drops = new Map<number, string>();
  for (const { paths } of exchanges)
    for (const { span, hops, drop } of paths) {
      for (const hop of hops) if (hop.dropped) drops.set(hop.span, `dropped here${drop ? `: ${drop.reason}` : ""}`);
      // The hops are those of the packet that arrived after another one was lost.
      if (drop && !hops.some(({ dropped }) => dropped)) drops.set(span, dropInWords(drop));
    }
  return drops;
}

/** The words of a failure stand where the bar ends, or over it, where there is more room. */
function besides(bar: { left: number; width: number } | null): JSX.CSSProperties {
  if (!bar) return { left: "0" };
  const end = bar.left + bar.width;
  if (end < 55) return { left: `${end}%` };
  return bar.left > 45 ? { right: `${100 - bar.left}%`, maxWidth: `calc(${bar.left}% - 6px)` } : { right: "2px" };
}

/** Dragging over the bars: reports the part of the track that was drawn over. */
function useDrag(done: (fromShare: number, toShare: number) => void) {
  const frame = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<{ left: number; width: number } | null>(null);
  const newest = useRef(done);
  newest.current = done;
  const down = (event: PointerEvent) => {
    const track = (event.target as HTMLElement).closest<HTMLElement>("[data-track]");
    const outer = frame.current?.getBoundingClientRect();
    if (!track || !outer || event.button !== 0 || event.pointerType === "touch") return;
    const box = track.getBoundingClientRect();
    const inside = (x: number) => Math.max(box.left, Math.min(box.right, x));
    const start = inside(event.clientX);
    let moved = false;
    const move = (next: PointerEvent) => {
      const here = inside(next.clientX);
      moved ||= Math.abs(here - start) > 4;
      if (!moved) return;
      next.preventDefault();
      setRange({ left: Math.min(here, start) - outer.left, width: Math.abs(here - start) });
    };
    const up = (last: PointerEvent) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", up);
      removeEventListener("pointercancel", up);
      setRange(null);
      if (!moved || last.type === "pointercancel") return;
      // The click that follows a drag selects no span.
      addEventListener("click", (click) => click.stopPropagation(), { capture: true, once: true });
      const here = inside(last.clientX);
      newest.current((Math.min(here, start) - box.left) / box.width, (Math.max(here, start) - box.left) / box.width);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", up);
    addEventListener("pointercancel", up);
  };
  return { frame, range, down };
}
