/** The comparison: where the time of each service edge goes, over a window; two of them side by side. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./bar";
import { count, counted, dateAndClock, difference, duration, share } from "./format";
import { Histogram } from "./histogram";
import { replaceHash, useTitle } from "./hooks";
import { PART_NAMES, type Comparison, type EdgeView, type PartName, type PartView, type Quantity, type TraceSet } from "./model";
import { useComparison, type Polled } from "./polling";
import { href, traceHref } from "./route";
import { fromLocal, LAST, sideOf, sideParams, toLocal, type Side, type SideChoice } from "./side";
import type { Source } from "./source";

interface Props {
  source: Source;
  set: string | null;
  sets: TraceSet[];
  params: URLSearchParams;
}

/** What a bar's segments are: only means add up. */
type Measure = "meanNs" | "medianNs" | "p99Ns";
const MEASURES: readonly [Measure, string][] = [["meanNs", "mean"], ["medianNs", "median"], ["p99Ns", "p99"]];

export function ComparisonView({ source, set, sets, params }: Props) {
  useTitle("Comparison");
  const a = { ...sideOf(params, "a") };
  a.set ??= set;
  const b = sideOf(params, "b");
  const two = b.set !== null;
  const measure = MEASURES.find(([name]) => name === params.get("bars"))?.[0] ?? "meanNs";
  const left = useComparison(source, a.set, a.window);
  const right = useComparison(source, b.set, b.window);
  const go = (change: Partial<Record<Side, SideChoice>>, bars: Measure = measure) => replaceHash(
    href("compare", {
      ...sideParams("a", change.a ?? a), ...(change.b === undefined ? (two ? sideParams("b", b) : {}) : change.b.set === null ? {} : sideParams("b", change.b)),
      bars: bars === "meanNs" ? null : bars, edge: params.get("edge"),
    }),
  );
  const pairs = pairsOf(left.value, two ? right.value : null);
  const wanted = params.get("edge");
  return (
    <div class="comparison">
      <h1 class="hidden">Comparison</h1>
      <div class="sides">
        <SidePicker side="a" choice={a} sets={sets} source={source} answer={left} two={two} onChange={(next) => go({ a: next })} />
        {two ? (
          <SidePicker side="b" choice={b} sets={sets} source={source} answer={right} two={two} onChange={(next) => go({ b: next })} />
        ) : (
          (source.live || sets.length > 1) && <button type="button" onClick={() => go({ b: { set: sets.find(({ id }) => id !== a.set)?.id ?? a.set, window: { lastMs: null, fromMs: null, toMs: null } } })}>Compare with another recording or window…</button>
        )}
        <fieldset class="measures">
          <legend>Bars</legend>
          {MEASURES.map(([name, words]) => (
            <label key={name}><input type="radio" name="measure" checked={measure === name} onChange={() => go({}, name)} /> {words}</label>
          ))}
        </fieldset>
      </div>
      <ul class="partLegend" aria-label="Parts">
        {PART_NAMES.filter((name) => pairs.some((pair) => [pair.a, pair.b].some((edge) => edge?.parts.some((part) => part.name === name)))).map((name) => (
          <li key={name}><span class={`swatch fill part ${className(name)}`} aria-hidden="true" /> {name} <b>{CODES[name]}</b></li>
        ))}
      </ul>
      {measure !== "meanNs" && <p class="muted small">Each segment is the {measure === "medianNs" ? "median" : "99th percentile"} of its own part, so the segments do not add up to the {measure === "medianNs" ? "median" : "p99"} of the whole. Only means do.</p>}
      {left.value === null && !left.error && <div class="empty" role="status">Loading…</div>}
      {left.value !== null && pairs.length === 0 && <div class="empty"><h2>No calls in this window</h2></div>}
      <Overview pairs={pairs} two={two} />
      {pairs.map((pair, index) => (
        <EdgeCard key={pair.key} pair={pair} two={two} measure={measure} sets={{ a: a.set ?? "", b: b.set ?? "" }} source={source} opened={wanted === null ? index === 0 : wanted === pair.key} wanted={wanted === pair.key} />
      ))}
    </div>
  );
}

interface Pair {
  key: string;
  client: string;
  server: string;
  a: EdgeView | null;
  b: EdgeView | null;
}

export function edgeKey({ client, server }: { client: string; server: string }): string {
  return `${client} → ${server}`;
}

function pairsOf(a: Comparison | null, b: Comparison | null): Pair[] {
  const pairs = new Map<string, Pair>();
  for (const [side, comparison] of [["a", a], ["b", b]] as const)
    for (const edge of comparison?.edges ?? []) {
      const key = edgeKey(edge);
      const pair = pairs.get(key) ?? { key, client: edge.client, server: edge.server, a: null, b: null };
      pair[side] = edge;
      pairs.set(key, pair);
    }
  return [...pairs.values()];
}

const CODES: Record<PartName, string> = {
  application: "app", client: "cl", dns: "dns", connect: "con", stacks: "st", "veth and bridge": "ve", netfilter: "nf",
  routing: "rt", "overlay and wire": "wi", "socket queue": "qu", "other hops": "ot",
};
const PART_WORDS: Partial<Record<PartName, string>> = {
  application: "the server's span",
  client: "the client's span without the server's and the data plane",
  connect: "SYN to SYN-ACK",
  "socket queue": "arrived, not yet read",
};

function className(name: PartName): string {
  return `p-${name.replace(/ /g, "-")}`;
}
function isDataPlanePart(name: PartName): boolean {
  return name !== "application" && name !== "client";
}

/** One line for each edge: the answer without opening anything. */
function Overview({ pairs, two }: { pairs: Pair[]; two: boolean }) {
  if (pairs.length === 0) return null;
  const sides = two ? (["a", "b"] as const) : (["a"] as const);
  return (
    <div class="tableScroll" tabIndex={0} role="region" aria-label="All service edges">
      <table class="overview">
        <thead>
          <tr>
            <th scope="col">Service edge</th>
            {two && <th scope="col">Side</th>}
            <th scope="col" class="number">Calls</th>
            <th scope="col" class="number">Failed</th>
            <th scope="col" class="number">Whole call, median</th>
            <th scope="col" class="number">p99</th>
            <th scope="col" class="number">Data plane, median</th>
            <th scope="col" class="number">p99</th>
            <th scope="col">Most of the data plane</th>
          </tr>
        </thead>
        <tbody>
          {pairs.flatMap((pair) =>
            sides.map((side, index) => {
              const edge = pair[side];
              const most = edge?.parts.filter(({ name }) => isDataPlanePart(name)).reduce<PartView | null>((best, part) => (best === null || part.quantity.meanNs > best.quantity.meanNs ? part : best), null);
              return (
                <tr key={pair.key + side} class={index === 0 ? "firstOfEdge" : ""}>
                  <th scope="row">{index === 0 ? pair.key : <span class="hidden">{pair.key}</span>}</th>
                  {two && <td><SideMark side={side} /></td>}
                  <td class="number">{edge ? count(edge.calls) : "–"}</td>
                  <td class="number">{edge ? failuresOf(edge) > 0 ? <span class="failureCount"><span aria-hidden="true">✕ </span>{count(failuresOf(edge))}</span> : "0" : "–"}</td>
                  <td class="number">{time(edge?.total, "medianNs")}</td>
                  <td class="number">{time(edge?.total, "p99Ns")}</td>
                  <td class="number strong">{time(edge?.dataPlane, "medianNs")}</td>
                  <td class="number strong">{time(edge?.dataPlane, "p99Ns")}</td>
                  <td>{most ? <><span class={`swatch fill part ${className(most.name)}`} aria-hidden="true" /> {most.name} <span class="muted">{duration(most.quantity.meanNs, 3)} mean</span></> : "–"}</td>
                </tr>
              );
            }),
          )}
        </tbody>
      </table>
    </div>
  );
}

function failuresOf(edge: EdgeView): number {
  return edge.failures.reduce((sum, { count: one }) => sum + one, 0);
}

function time(quantity: Quantity | null | undefined, measure: Measure): string {
  return quantity ? duration(quantity[measure], 3) : "–";
}

function SideMark({ side }: { side: Side }) {
  return <span class={`sideMark ${side}`}>{side.toUpperCase()}</span>;
}

interface CardProps {
  pair: Pair;
  two: boolean;
  measure: Measure;
  sets: Record<Side, string>;
  source: Source;
  opened: boolean;
  /** The address names it. */
  wanted: boolean;
}

function EdgeCard({ pair, two, measure, sets, source, opened, wanted }: CardProps) {
  const [open, setOpen] = useState(opened);
  const card = useRef<HTMLElement>(null);
  useEffect(() => {
    if (wanted) card.current?.scrollIntoView({ block: "start" });
  }, [wanted]);
  const sides = (["a", "b"] as const).filter((side) => side === "a" || two);
  const edges = sides.map((side) => pair[side]);
  const most = (of: (edge: EdgeView) => number) => Math.max(1, ...edges.map((edge) => (edge ? of(edge) : 0)));
  const wholeMost = most((edge) => sum(edge.parts, measure));
  const dataPlaneMost = most((edge) => sum(edge.parts.filter(({ name }) => isDataPlanePart(name)), measure));
  return (
    <section class="card" aria-label={pair.key} ref={card}>
      <div class="cardTop">
        <h2>{pair.client} <span class="muted">→</span> {pair.server}</h2>
        {edges.map((edge, index) => edge && <EdgeFacts key={index} edge={edge} side={two ? (sides[index] as Side) : null} />)}
      </div>
      {sides.map((side) => {
        const edge = pair[side];
        if (!edge) return <p key={side} class="muted">{two && <SideMark side={side} />} no calls</p>;
        const dataPlane = edge.parts.filter(({ name }) => isDataPlanePart(name));
        return (
          <div key={side} class="edgeBars">
            {two && <SideMark side={side} />}
            <div class="edgeBar">
              <span class="edgeBarName">whole call</span>
              <Stack parts={edge.parts} measure={measure} most={wholeMost} fold />
              <span class="edgeBarTotal">{time(edge.total, "medianNs")} <span class="muted">median,</span> {time(edge.total, "p99Ns")} <span class="muted">p99</span></span>
            </div>
            <div class="edgeBar">
              <span class="edgeBarName">of it, data plane</span>
              <Stack parts={dataPlane} measure={measure} most={dataPlaneMost} />
              <span class="edgeBarTotal">{time(edge.dataPlane, "medianNs")} <span class="muted">median,</span> {time(edge.dataPlane, "p99Ns")} <span class="muted">p99</span></span>
            </div>
          </div>
        );
      })}
      <button type="button" class="quiet more" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? "▾ Less" : "▸ Parts, histograms, worst calls"}</button>
      {open && (
        <div class={two ? "cardMore two" : "cardMore"}>
          <PartTable pair={pair} two={two} />
          <div class="histograms">
            <Histogram title="Calls by data-plane time" kind="dataPlane" a={pair.a?.dataPlaneHistogram ?? []} b={two ? (pair.b?.dataPlaneHistogram ?? []) : null} />
            <Histogram title="Calls by duration" kind="whole" a={pair.a?.totalHistogram ?? []} b={two ? (pair.b?.totalHistogram ?? []) : null} />
            {two && <p class="muted small"><SideMark side="a" /> filled, <SideMark side="b" /> outlined; each as the share of its own calls.</p>}
          </div>
          {sides.map((side) => pair[side] && <Worst key={side} edge={pair[side] as EdgeView} side={two ? side : null} set={sets[side]} source={source} />)}
        </div>
      )}
    </section>
  );
}

function EdgeFacts({ edge, side }: { edge: EdgeView; side: Side | null }) {
  return (
    <p class="edgeFacts">
      {side && <SideMark side={side} />} {counted(edge.calls, "call")}<span class="muted">, {count(edge.connected)} opened a connection</span>
      {edge.unseen > 0 && <span class="warn"> · {counted(edge.unseen, "call")} not seen</span>}
      {edge.incomplete > 0 && <span class="warn"> · {count(edge.incomplete)} incomplete</span>}
      {edge.failures.map(({ reason, count: one }) => <span key={reason}> <Failure text={`${count(one)} × ${reason}`} /></span>)}
    </p>
  );
}

function sum(parts: PartView[], measure: Measure): number {
  return parts.reduce((total, { quantity }) => total + quantity[measure], 0);
}

/** Segments in the order of `PART_NAMES`. `fold` draws the data plane as one segment: in a whole call
 * its parts are too thin to be told apart. */
function Stack({ parts, measure, most, fold = false }: { parts: PartView[]; measure: Measure; most: number; fold?: boolean }) {
  const segments = parts.map(({ name, quantity }) => ({ name: name as string, code: CODES[name], kind: `part ${className(name)}`, ns: quantity[measure] }));
  const shown = fold
    ? [
        ...segments.filter(({ name }) => !isDataPlanePart(name as PartName)),
        { name: "data plane", code: "", kind: "dataPlane", ns: sum(parts.filter(({ name }) => isDataPlanePart(name)), measure) },
      ].filter(({ ns }) => ns > 0)
    : segments;
  const total = shown.reduce((all, { ns }) => all + ns, 0);
  const words = shown.map(({ name, ns }) => `${name} ${duration(ns, 3)}, ${share(ns, total)}`).join("; ");
  return (
    <span class="stack" role="img" aria-label={words}>
      <span class="stackFilled" style={{ width: `${(total / most) * 100}%` }}>
        {shown.map(({ name, code, kind, ns }) => (
          <span key={name} class={`segment fill ${kind}`} style={{ flexGrow: total > 0 ? ns / total : 0 }} title={`${name}: ${duration(ns, 3)}, ${share(ns, total)}`}>
            {ns / most > 0.03 && <span>{code}</span>}
          </span>
        ))}
      </span>
    </span>
  );
}

function PartTable({ pair, two }: { pair: Pair; two: boolean }) {
  const of = (edge: EdgeView | null, name: PartName) => edge?.parts.find((part) => part.name === name)?.quantity ?? null;
  const names = PART_NAMES.filter((name) => of(pair.a, name) || of(pair.b, name));
  const row = (key: string, head: preact.ComponentChildren, a: Quantity | null | undefined, b: Quantity | null | undefined, kind = "") => (
    <tr key={key} class={kind}>
      <th scope="row">{head}</th>
      <td class="number">{time(a, "medianNs")}</td>
      <td class="number">{time(a, "p99Ns")}</td>
      {!two && <td class="number">{a ? duration(a.maxNs, 3) : "–"}</td>}
      {!two && <td class="number">{time(a, "meanNs")}</td>}
      {!two && <td class="number muted">{a ? count(a.calls) : "–"}</td>}
      {two && <td class="number">{time(b, "medianNs")}</td>}
      {two && <td class="number">{time(b, "p99Ns")}</td>}
      {two && <td class="number"><Change a={a} b={b} measure="medianNs" /></td>}
      {two && <td class="number"><Change a={a} b={b} measure="p99Ns" /></td>}
    </tr>
  );
  return (
    <div class="tableScroll" tabIndex={0} role="region" aria-label={`Parts of ${pair.key}`}>
      <table class="partTable">
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col" class="number">{two && "A, "}median</th>
            <th scope="col" class="number">{two && "A, "}p99</th>
            {!two && <><th scope="col" class="number">max</th><th scope="col" class="number">mean of all</th><th scope="col" class="number">calls</th></>}
            {two && <><th scope="col" class="number">B, median</th><th scope="col" class="number">B, p99</th><th scope="col" class="number">Change, median</th><th scope="col" class="number">Change, p99</th></>}
          </tr>
        </thead>
        <tbody>
          {row("total", "whole call", pair.a?.total, pair.b?.total, "strong")}
          {row("dataPlane", "data plane", pair.a?.dataPlane, pair.b?.dataPlane, "strong")}
          {names.map((name) => row(
            name,
            <><span class={`swatch fill part ${className(name)}`} aria-hidden="true" /> {name}{PART_WORDS[name] && <span class="muted small"> {PART_WORDS[name]}</span>}</>,
            of(pair.a, name), of(pair.b, name),
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Change({ a, b, measure }: { a: Quantity | null | undefined; b: Quantity | null | undefined; measure: Measure }) {
  if (!a || !b) return <>–</>;
  const by = b[measure] - a[measure];
  const large = Math.abs(by) >= a[measure] * 0.1;
  const percent = a[measure] > 0 ? ` (${by > 0 ? "+" : ""}${((by / a[measure]) * 100).toFixed(0)} %)` : "";
  return <span class={large ? "strong" : "muted"}>{by < 0 ? "↓ " : by > 0 ? "↑ " : ""}{difference(by)}{percent}</span>;
}

function Worst({ edge, side, set, source }: { edge: EdgeView; side: Side | null; set: string; source: Source }) {
  if (edge.worst.length === 0) return null;
  return (
    <div class="worst">
      <h3>{side && <SideMark side={side} />} Most time in the data plane</h3>
      <ol>
        {edge.worst.map((call) => {
          const text = <><b>{duration(call.dataPlaneNs, 3)}</b> of {duration(call.totalNs, 3)}{call.longestHop !== null && <span class="muted"> · longest hop {call.longestHop}</span>}<span class="muted"> · {dateAndClock(call.startMs)}</span></>;
          return <li key={`${call.trace}${call.span}`}>{source.has(set, call.trace) ? <a href={traceHref(set, call.trace, { span: `@${call.span}` })}>{text}</a> : <>{text} <span class="muted">(not in this report)</span></>}</li>;
        })}
      </ol>
    </div>
  );
}

interface PickerProps {
  side: Side;
  choice: SideChoice;
  sets: TraceSet[];
  source: Source;
  answer: Polled<Comparison>;
  two: boolean;
  onChange: (next: SideChoice) => void;
}

/** A recording, and which of its time. A report has no windows. */
function SidePicker({ side, choice, sets, source, answer, two, onChange }: PickerProps) {
  const { lastMs, fromMs, toMs } = choice.window;
  const custom = fromMs !== null || toMs !== null;
  const known = sets.some(({ id }) => id === choice.set);
  const value = custom ? "custom" : lastMs === null ? "all" : String(lastMs);
  const seen = answer.value;
  return (
    <fieldset class="sidePicker">
      <legend>{two ? <><SideMark side={side} /> {side === "a" ? "before" : "after"}</> : "Calls of"}</legend>
      {(sets.length > 1 || two) && (
        <select aria-label="Recording" value={choice.set ?? ""} onChange={(event) => onChange({ ...choice, set: event.currentTarget.value === "" ? null : event.currentTarget.value })}>
          {side === "b" && <option value="">none</option>}
          {!known && choice.set !== null && <option value={choice.set}>closed recording</option>}
          {sets.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
        </select>
      )}
      {source.live && (
        <select
          aria-label="Window of time" value={value}
          onChange={(event) => {
            const next = event.currentTarget.value;
            const whole = { lastMs: null, fromMs: null, toMs: null };
            if (next === "all") onChange({ ...choice, window: whole });
            else if (next === "custom") onChange({ ...choice, window: { lastMs: null, fromMs: seen?.fromMs ?? Date.now() - 300_000, toMs: seen?.toMs ?? Date.now() } });
            else onChange({ ...choice, window: { ...whole, lastMs: Number(next) } });
          }}
        >
          <option value="all">all of it</option>
          {LAST.map(([ms, words]) => <option key={ms} value={String(ms)}>{words}</option>)}
          <option value="custom">from … to …</option>
        </select>
      )}
      {source.live && custom && (
        <>
          <input type="datetime-local" step="1" aria-label="From" value={toLocal(fromMs)} onChange={(event) => onChange({ ...choice, window: { lastMs: null, fromMs: fromLocal(event.currentTarget.value), toMs } })} />
          <input type="datetime-local" step="1" aria-label="To" value={toLocal(toMs)} onChange={(event) => onChange({ ...choice, window: { lastMs: null, fromMs, toMs: fromLocal(event.currentTarget.value) } })} />
        </>
      )}
      <span class="muted small">
        {answer.error && !answer.error.gone ? <span class="warn">{answer.error.message}</span> : seen && seen.fromMs !== null && seen.toMs !== null ? `${counted(seen.traces, "trace")}, ${dateAndClock(seen.fromMs)} to ${dateAndClock(seen.toMs).slice(11)}` : seen ? "no traces" : ""}
      </span>
    </fieldset>
  );
}
