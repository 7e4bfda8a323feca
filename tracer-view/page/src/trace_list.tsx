/** The list of traces: search, and a row for each with its bar and its worst hop. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Failure, SplitBar, Swatch } from "./bar";
import { clock, count, counted, dateAndClock, duration, share } from "./format";
import { FileButton } from "./app";
import { NARROW, replaceHash, useKeys, useMedia, useTitle, useVisibleRows } from "./hooks";
import type { Rows } from "./live";
import { memo } from "./memo";
import type { TraceRow, TraceSet } from "./model";
import { href, traceHref } from "./route";
import { matches, parseQuery } from "./search";
import type { Source } from "./source";

interface Props {
  source: Source;
  set: string | null;
  sets: TraceSet[];
  params: URLSearchParams;
  rows: Rows | null;
  gone: boolean;
  onFiles: (files: Iterable<File>) => void;
}

type Order = "newest" | "slowest" | "dataPlane";
const ORDERS: readonly [Order, string][] = [["newest", "newest first"], ["slowest", "slowest first"], ["dataPlane", "most data plane first"]];

export function TraceListView({ source, set, params, rows, gone, onFiles }: Props) {
  useTitle("Traces");
  const text = params.get("q") ?? "";
  const order = ORDERS.find(([name]) => name === params.get("order"))?.[0] ?? "newest";
  const query = useMemo(() => parseQuery(text), [text]);
  const found = useMemo(() => sorted((rows?.rows ?? []).filter((row) => matches(query, row)), order), [rows, query, order]);
  const [selected, setSelected] = useState<string | null>(null);
  const narrow = useMedia(NARROW);
  const rowHeight = narrow ? 92 : 46;
  const scroller = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const { first, end, scrollTo } = useVisibleRows(scroller, found.length, rowHeight);
  const at = selected === null ? -1 : found.findIndex(({ id }) => id === selected);
  const address = (change: Record<string, string | null>) =>
    href("traces", { set: params.get("set"), q: text, order: order === "newest" ? null : order, ...change });

  useEffect(() => {
    if (params.get("focus") !== null) {
      search.current?.focus();
      replaceHash(address({}));
    }
  }, [params.get("focus")]);

  const takesFocus = useRef(false);
  const select = (index: number) => {
    const row = found[Math.max(0, Math.min(found.length - 1, index))];
    if (!row) return;
    takesFocus.current = true;
    setSelected(row.id);
    scrollTo(found.indexOf(row));
  };
  // The selected row's link has the focus, so that a screen reader says it and Enter follows it.
  useLayoutEffect(() => {
    if (selected === null || !takesFocus.current) return;
    const link = scroller.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(selected)}"] a`);
    link?.focus({ preventScroll: true });
    if (link) takesFocus.current = false;
  }, [selected, first, end]);

  // New traces come above: what the reader looks at stays where it is.
  const shown = useRef(found);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && element.scrollTop > 0) {
      const before = Math.floor(element.scrollTop / rowHeight);
      const anchor = shown.current[before]?.id;
      const after = found.findIndex(({ id }) => id === anchor);
      if (after >= 0) element.scrollTop += (after - before) * rowHeight;
    }
    shown.current = found;
  }, [found]);
  useKeys((event) => {
    if (event.key === "j" || event.key === "ArrowDown") select(at + 1);
    else if (event.key === "k" || event.key === "ArrowUp") select(at - 1);
    else if (event.key === "/") search.current?.focus();
    else return;
    event.preventDefault();
  });

  return (
    <>
      <div class="bar">
        <h1 class="hidden">Traces</h1>
        <form class="search" role="search" onSubmit={(event) => { event.preventDefault(); select(0); }}>
          <input
            ref={search} type="search" name="q" value={text} spellcheck={false} autocomplete="off"
            aria-label="Search traces" aria-describedby="found" placeholder="Search: service, route, failure, trace id, min:10ms, error"
            onInput={(event) => replaceHash(address({ q: event.currentTarget.value }))}
            onKeyDown={(event) => {
              if (event.key === "Escape") event.currentTarget.blur();
              if (event.key === "ArrowDown") { event.preventDefault(); event.currentTarget.blur(); select(0); }
            }}
          />
        </form>
        <select aria-label="Order" value={order} onChange={(event) => replaceHash(address({ order: event.currentTarget.value === "newest" ? null : event.currentTarget.value }))}>
          {ORDERS.map(([name, words]) => <option key={name} value={name}>{words}</option>)}
        </select>
        <p id="found" class="found" role="status">
          {rows && (text === "" ? counted(found.length, "trace") : `${count(found.length)} of ${counted(rows.rows.length, "trace")}`)}
          {source.live && set === "live" && !gone && <span class="liveMark"> live</span>}
        </p>
        {query.problems.map((problem) => <p class="notice warn" key={problem}>{problem}</p>)}
      </div>
      {rows === null ? (
        <div class="empty" role="status">{gone ? "" : "Loading…"}</div>
      ) : found.length === 0 ? (
        <Empty source={source} filtered={text !== "" && rows.rows.length > 0} onFiles={onFiles} />
      ) : (
        <div class="list" role="table" aria-label="Traces" aria-rowcount={found.length + 1} ref={scroller}>
          <div role="rowgroup" class="listHead" data-sticky>
            <div role="row" aria-rowindex={1} class="listRow head">
              <span role="columnheader">Trace</span>
              <span role="columnheader" class="number">Duration</span>
              <span role="columnheader"><Swatch kind="application" /> application <Swatch kind="dataPlane" /> data plane</span>
              <span role="columnheader">Worst hop</span>
              <span role="columnheader" class="number">Started</span>
            </div>
          </div>
          <div role="rowgroup" class="listBody" style={{ height: `${found.length * rowHeight}px` }}>
            {found.slice(first, end).map((row, index) => (
              <ListRow
                key={row.id} row={row} index={first + index} top={(first + index) * rowHeight} set={set ?? ""}
                selected={row.id === selected} opens={source.has(set ?? "", row.id)} onSelect={setSelected}
              />
            ))}
          </div>
        </div>
      )}
    </>
  );
}

function sorted(rows: TraceRow[], order: Order): TraceRow[] {
  if (order === "slowest") return [...rows].sort((a, b) => b.durationNs - a.durationNs);
  if (order === "dataPlane") return [...rows].sort((a, b) => b.dataPlaneNs - a.dataPlaneNs);
  return rows;
}

interface RowProps {
  row: TraceRow;
  index: number;
  top: number;
  set: string;
  selected: boolean;
  /** The trace's spans are there. */
  opens: boolean;
  onSelect: (id: string) => void;
}

const ListRow = memo(function ListRow({ row, index, top, set, selected, opens, onSelect }: RowProps) {
  const worst = row.longestHops[0];
  const failure = row.failures[0];
  const to = traceHref(set, row.id);
  const name = <><b>{row.service}</b> {row.name}</>;
  return (
    <div
      role="row" aria-rowindex={index + 2} data-id={row.id} class={`listRow${selected ? " selected" : ""}${opens ? " opens" : ""}`}
      style={{ top: `${top}px` }}
      onClick={(event) => {
        onSelect(row.id);
        if (opens && !(event.target as HTMLElement).closest("a") && !getSelection()?.toString()) location.hash = to;
      }}
    >
      <span role="cell" class="cellTrace">
        {opens ? <a href={to} class="name">{name}</a> : <span class="name">{name}</span>}
        <span class="second">
          {failure !== undefined && <Failure text={row.failures.length > 1 ? `${failure} (and ${row.failures.length - 1} more)` : failure} />}
          {!opens && <span class="muted">not in this report · </span>}
          {failure === undefined && <span class="muted">{counted(row.applicationSpans, "application span")}, {count(row.dataPlaneSpans)} data plane</span>}
          {row.incomplete && <span class="warn"> · incomplete</span>}
          {row.refusedSpans > 0 && <span class="warn"> · {counted(row.refusedSpans, "span")} did not fit</span>}
        </span>
      </span>
      <span role="cell" class="cellDuration number">{duration(row.durationNs)}</span>
      <span role="cell" class="cellBar">
        <SplitBar applicationNs={row.applicationNs} dataPlaneNs={row.dataPlaneNs} />
        <span class="second">data plane {duration(row.dataPlaneNs)} · {share(row.dataPlaneNs, row.applicationNs + row.dataPlaneNs)}</span>
      </span>
      <span role="cell" class="cellHop">
        {worst ? (
          <>
            <span class="first"><b>{worst.name}</b> {duration(worst.durationNs)}</span>
            <span class="second">{worst.role} of {worst.edge}</span>
          </>
        ) : (
          <span class="muted">none seen</span>
        )}
      </span>
      <span role="cell" class="cellTime number muted" title={dateAndClock(row.startMs)}>{clock(row.startMs)}</span>
    </div>
  );
});

function Empty({ source, filtered, onFiles }: { source: Source; filtered: boolean; onFiles: (files: Iterable<File>) => void }) {
  if (filtered) return <div class="empty"><h2>No trace matches</h2><p>Press <kbd>?</kbd> for the search language.</p></div>;
  return (
    <div class="empty">
      <h2>No traces yet</h2>
      {source.live && (
        <>
          <p>Let the application's SDK and hopspan's agent export OTLP to this viewer: gRPC on port 4317, HTTP on port 4318, unless it was started with others.</p>
          <p>Or open a file of OTLP/JSON: <FileButton onFiles={onFiles} /></p>
        </>
      )}
    </div>
  );
}
