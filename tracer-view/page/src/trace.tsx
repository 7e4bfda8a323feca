/** One trace: the answer, the waterfall, the selected span, and the path picture. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Failure, Parts, SplitBar } from "./bar";
import { clock, count, counted, dateAndClock, duration } from "./format";
import { replaceHash, useKeys, useTitle } from "./hooks";
import type { Rows } from "./live";
import type { TraceRow, TraceSet, TraceView } from "./model";
import { PathPictures } from "./path_picture";
import { asSourceError } from "./polling";
import { href, traceHref } from "./route";
import { SpanTree } from "./rows";
import type { Source, SourceError } from "./source";
import { SpanDetail } from "./span_detail";
import { Waterfall } from "./waterfall";

interface LoaderProps {
  source: Source;
  set: string;
  sets: TraceSet[];
  trace: string;
  params: URLSearchParams;
  rows: Rows | null;
}

/** Gets the trace, and again when its row in the list changes: late spans. */
export function TraceLoader({ source, set, trace, params, rows }: LoaderProps) {
  const [view, setView] = useState<TraceView | null>(null);
  const [error, setError] = useState<SourceError | null>(null);
  const row = rows?.rows.find(({ id }) => id === trace) ?? null;
  const seen = useRef<string | null>(null);
  const state = row === null ? "" : stateOf(row);
  const listed = useRef(false);
  listed.current ||= row !== null;
  useEffect(() => {
    if (view && (state === "" || state === seen.current)) return;
    let ended = false;
    source.trace(set, trace).then(
      (got) => {
        if (ended) return;
        seen.current = stateOf(got.row);
        setView(got);
        setError(null);
      },
      (caught) => !ended && setError(asSourceError(caught)),
    );
    return () => {
      ended = true;
    };
  }, [set, trace, state]);

  if (view) return <TracePage source={source} set={set} view={view} params={params} gone={listed.current && row === null && rows !== null} />;
  if (!error) return <div class="empty" role="status">Loading…</div>;
  return (
    <div class="empty">
      <h1>This trace is not there</h1>
      <p>{error.status === 404 ? "It is no longer kept, or it has not arrived." : error.message}</p>
      {error.status === 404 && source.created !== null && <p>{error.message}</p>}
      <p><a href={href("traces", { set })}>All traces</a></p>
    </div>
  );
}

function stateOf(row: TraceRow): string {
  return [row.applicationSpans, row.dataPlaneSpans, row.durationNs, row.failures.length, row.refusedSpans].join();
}

interface PageProps {
  source: Source;
  set: string;
  view: TraceView;
  params: URLSearchParams;
  /** The server has dropped it since. */
  gone: boolean;
}

function TracePage({ source, set, view, params, gone }: PageProps) {
  const { row } = view;
  useTitle(`${row.service} ${row.name}`);
  const tree = useMemo(() => new SpanTree(view.spans), [view]);
  const selected = spanOf(view, params.get("span"));
  const select = (span: number | null) => replaceHash(traceHref(set, row.id, { span: span === null ? null : idOf(view, span) }));
  useKeys((event) => {
    if (event.key !== "Escape") return;
    if (selected !== null) select(null);
    else location.hash = href("traces", { set });
  });
  const otlp = source.otlp(set, row.id);
  const exchange = exchangeOf(view, selected) ?? exchangeOf(view, failedSpan(view)) ?? exchangeOf(view, row.longestHops[0]?.span ?? null);

  return (
    <div class={selected === null ? "tracePage" : "tracePage withDetail"}>
      <section class="answer" aria-label="The answer">
        <div class="answerTop">
          <a class="back" href={href("traces", { set })}>← Traces</a>
          <h1><b>{row.service}</b> {row.name}</h1>
          <span class="muted meta">
            {dateAndClock(row.startMs)}{clock(row.startMs).slice(8)} · <code>{row.id}</code> · {counted(row.applicationSpans, "application span")}, {count(row.dataPlaneSpans)} data plane
          </span>
          {otlp !== null && <a class="button" href={otlp} download={`${row.id}.json`}>Save</a>}
        </div>
        <div class="answerMain">
          <div class="answerTime"><span class="muted">took</span><strong>{duration(row.durationNs)}</strong></div>
          <div class="answerBar">
            <Parts applicationNs={row.applicationNs} dataPlaneNs={row.dataPlaneNs} />
            <SplitBar big applicationNs={row.applicationNs} dataPlaneNs={row.dataPlaneNs} />
            {view.headline.length > 0 && <div class="headline">{view.headline.map((line, at) => <p key={at}>{line}</p>)}</div>}
          </div>
          <div class="answerHops">
            <h2>Longest hops</h2>
            {row.longestHops.length === 0 && <p class="muted">No hop was seen.</p>}
            <ol>
              {row.longestHops.map((hop) => (
                <li key={hop.span}>
                  <button type="button" onClick={() => select(hop.span)} aria-pressed={selected === hop.span}>
                    <span class="hopMark fill hop" aria-hidden="true" />
                    <b>{hop.name}</b> <span class="number">{duration(hop.durationNs)}</span> <span class="muted">{hop.role} of {hop.edge}</span>
                  </button>
                </li>
              ))}
            </ol>
          </div>
        </div>
        {row.failures.length > 0 && (
          <ul class="failures" aria-label="Failures">
            {row.failures.slice(0, 6).map((failure, at) => <li key={at}><Failure text={failure} /></li>)}
            {row.failures.length > 6 && <li class="muted">and {row.failures.length - 6} more</li>}
          </ul>
        )}
        {gone && <p class="notice warn">The viewer no longer keeps this trace. It stays here until you leave.</p>}
        {row.refusedSpans > 0 && <p class="notice warn">{counted(row.refusedSpans, "span")} of this trace did not fit and are missing.</p>}
      </section>
      <Waterfall view={view} tree={tree} selected={selected} onSelect={select} />
      {selected !== null && <SpanDetail view={view} span={selected} set={set} onClose={() => select(null)} />}
      {view.exchanges.length > 0 && (
        <section class="pictures" aria-labelledby="pictures-title">
          <PathPictures view={view} exchange={exchange ?? 0} selected={selected} onSelect={select} />
        </section>
      )}
    </div>
  );
}

/** A hop that was a part of an attribute has no id of its own, so an index is in the address then. */
function idOf(view: TraceView, span: number): string {
  const id = view.spans[span]?.id ?? "";
  const unique = /^[0-9a-f]{16}$/.test(id) && view.spans.findIndex((one) => one.id === id) === span;
  return unique ? id : `@${span}`;
}

function spanOf(view: TraceView, param: string | null): number | null {
  if (param === null) return null;
  const at = param.startsWith("@") ? Number(param.slice(1)) : view.spans.findIndex(({ id }) => id === param);
  return Number.isInteger(at) && view.spans[at] ? at : null;
}

/** The exchange of a span, of its path, or below it. */
function exchangeOf(view: TraceView, span: number | null): number | null {
  if (span === null) return null;
  let at: number | null = span;
  for (let steps = 0; at !== null && steps < 3; steps += 1) {
    const one: TraceView["spans"][number] | undefined = view.spans[at];
    if (!one) return null;
    if (one.exchange !== null && view.exchanges[one.exchange]) return one.exchange;
    const below = view.spans.findIndex((child, index) => child.parent === at && child.exchange !== null && index > (at as number));
    if (below >= 0) return view.spans[below]?.exchange ?? null;
    if (one.layer === "application") return null;
    at = one.parent;
  }
  return null;
}

function failedSpan(view: TraceView): number | null {
  const at = view.spans.findIndex((span) => span.failure !== null && span.layer === "dataPlane");
  return at < 0 ? null : at;
}
