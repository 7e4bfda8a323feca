/** The map: services as nodes, calls as edges with rate, failures and data-plane p99. */

import { count, counted, duration, rate, share, shortenMiddle } from "./format";
import { NARROW, replaceHash, useMedia, useTitle } from "./hooks";
import { layoutMap, type MapNode } from "./map_layout";
import type { Comparison, EdgeView, TraceSet } from "./model";
import { useComparison } from "./polling";
import { href } from "./route";
import { LAST } from "./side";
import type { Source } from "./source";
import { edgeKey } from "./comparison";

interface Props {
  source: Source;
  set: string | null;
  sets: TraceSet[];
  params: URLSearchParams;
}

export function MapView({ source, set, params }: Props) {
  useTitle("Map");
  const last = LAST.find(([ms]) => String(ms) === params.get("last"))?.[0] ?? null;
  const { value } = useComparison(source, set, { lastMs: last, fromMs: null, toMs: null });
  const narrow = useMedia(NARROW);
  if (!value) return <div class="empty" role="status">Loading…</div>;
  return (
    <div class="mapPage">
      <div class="sectionTop">
        <h1>Services</h1>
        {source.live && (
          <select aria-label="Window of time" value={last === null ? "all" : String(last)} onChange={(event) => replaceHash(href("map", { set, last: event.currentTarget.value === "all" ? null : event.currentTarget.value }))}>
            <option value="all">all of it</option>
            {LAST.map(([ms, words]) => <option key={ms} value={String(ms)}>{words}</option>)}
          </select>
        )}
        <p class="legend"><span>{secondsOf(value) === null ? counted(value.traces, "trace") : `${counted(value.traces, "trace")} in ${duration((secondsOf(value) ?? 0) * 1e9, 3)}`}</span><span>Thicker: more calls. ✕ and dashes: calls that failed.{narrow && " p99: of the data plane."}</span></p>
      </div>
      {value.edges.length === 0 ? (
        <div class="empty"><h2>No calls in this window</h2></div>
      ) : (
        <>
          <div class="mapScroll" tabIndex={0} role="region" aria-label="Map of services">
            <MapDrawing comparison={value} set={set} narrow={narrow} />
          </div>
          <EdgeTable comparison={value} set={set} />
        </>
      )}
    </div>
  );
}

/** Seconds between the first and the last trace; null where they are too few for a rate. */
function secondsOf({ fromMs, toMs, traces }: Comparison): number | null {
  return fromMs !== null && toMs !== null && traces > 1 && toMs - fromMs >= 1000 ? (toMs - fromMs) / 1000 : null;
}

function callsOf(edge: EdgeView, seconds: number | null): string {
  return seconds === null ? counted(edge.calls, "call") : rate(edge.calls, seconds);
}

function failuresOf(edge: EdgeView): number {
  return edge.failures.reduce((sum, { count: one }) => sum + one, 0);
}

const WIDE_NODE = { width: 132, height: 36 };
const NARROW_NODE = { width: 106, height: 34 };

function MapDrawing({ comparison, set, narrow }: { comparison: Comparison; set: string | null; narrow: boolean }) {
  const { edges } = comparison;
  const layout = layoutMap(edges);
  const node = narrow ? NARROW_NODE : WIDE_NODE;
  const seconds = secondsOf(comparison);
  const between = narrow ? 100 : 250;
  const beside = narrow ? 12 : 62;
  // The long side of the map goes right on wide pages and down on narrow ones.
  const along = layout.layers * (narrow ? node.height : node.width) + (layout.layers - 1) * between;
  const across = layout.widest * (narrow ? node.width : node.height) + (layout.widest - 1) * beside;
  const [width, height] = narrow ? [across + 24, along + 24] : [along + 24, Math.max(across, 120) + 60];
  const perLayer = new Map<number, number>();
  for (const { layer } of layout.nodes) perLayer.set(layer, (perLayer.get(layer) ?? 0) + 1);
  const position = (one: MapNode) => {
    const used = (perLayer.get(one.layer) ?? 1) * ((narrow ? node.width : node.height) + beside) - beside;
    const free = ((narrow ? width : height) - used) / 2;
    const a = 12 + one.layer * ((narrow ? node.height : node.width) + between);
    const b = free + one.order * ((narrow ? node.width : node.height) + beside);
    return narrow ? { x: b, y: a } : { x: a, y: b };
  };
  const places = new Map(layout.nodes.map((one) => [one.name, position(one)]));
  const most = Math.max(1, ...edges.map(({ calls }) => calls));
  return (
    <svg class="mapSvg" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="group" aria-label="Services and their calls">
      {edges.map((edge) => {
        const from = places.get(edge.client);
        const to = places.get(edge.server);
        if (!from || !to) return null;
        const curve = curveOf(from, to, node, narrow);
        const failed = failuresOf(edge);
        const thick = 1.5 + 4.5 * Math.sqrt(edge.calls / most);
        const label = [callsOf(edge, seconds), edge.dataPlane ? `${narrow ? "" : "data plane "}p99 ${duration(edge.dataPlane.p99Ns, 3)}` : narrow ? "not seen" : "data plane not seen"];
        const words = `${edgeKey(edge)}: ${label.join(", ")}, ${counted(failed, "failure")}. Open in the comparison`;
        return (
          <a key={edgeKey(edge)} href={href("compare", { set, edge: edgeKey(edge) })} class={failed > 0 ? "edge failed" : "edge"}>
            <title>{words}</title>
            <path class="edgeHit" d={curve.path} />
            <path class="edgeLine" d={curve.path} stroke-width={thick} />
            <path class="edgeTip" d={curve.tip} />
            <text x={curve.x} y={curve.y} text-anchor="middle">{label[0]}{failed > 0 && <tspan class="edgeFailed"> ✕ {count(failed)}{narrow ? "" : " failed"}</tspan>}</text>
            <text x={curve.x} y={curve.y + 13} text-anchor="middle" class="edgeSecond">{label[1]}</text>
          </a>
        );
      })}
      {layout.nodes.map(({ name }) => {
        const at = places.get(name) ?? { x: 0, y: 0 };
        return (
          <g key={name} class="node">
            <title>{name}</title>
            <rect x={at.x} y={at.y} width={node.width} height={node.height} rx="4" />
            <text x={at.x + node.width / 2} y={at.y + node.height / 2 + 4} text-anchor="middle">{shortenMiddle(name, narrow ? 14 : 18)}</text>
          </g>
        );
      })}
    </svg>
  );
}

interface Point {
  x: number;
  y: number;
}

/** From the edge of one node to that of another, with the arrow's tip and the place of the label. */
function curveOf(from: Point, to: Point, { width, height }: { width: number; height: number }, down: boolean): { path: string; tip: string; x: number; y: number } {
  const self = from.x === to.x && from.y === to.y;
  if (self) {
    const [x, y] = [from.x + width / 2, from.y];
    return { path: `M${x - 24} ${y} C${x - 40} ${y - 34} ${x + 40} ${y - 34} ${x + 24} ${y}`, tip: tipAt(x + 24, y, 0.5, 1), x, y: y - 44 };
  }
  if (down) {
    const [x1, y1, x2, y2] = [from.x + width / 2, from.y + height, to.x + width / 2, to.y];
    const bend = Math.max(30, Math.abs(y2 - y1) / 2);
    return { path: `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2 - 7}`, tip: tipAt(x2, y2, 0, 1), x: x2, y: y2 - 34 };
  }
  const [x1, y1, x2, y2] = [from.x + width, from.y + height / 2, to.x, to.y + height / 2];
  const bend = Math.max(40, Math.abs(x2 - x1) / 2);
  return { path: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 7} ${y2}`, tip: tipAt(x2, y2, 1, 0), x: x2 - 86, y: y2 > y1 ? y2 + 17 : y2 - 20 };
}

function tipAt(x: number, y: number, dx: number, dy: number): string {
  const [bx, by] = [x - 9 * dx, y - 9 * dy];
  return `M${x} ${y} L${bx - 5 * dy} ${by + 5 * dx} L${bx + 5 * dy} ${by - 5 * dx} Z`;
}

function EdgeTable({ comparison, set }: { comparison: Comparison; set: string | null }) {
  const seconds = secondsOf(comparison);
  return (
    <div class="tableScroll" tabIndex={0} role="region" aria-label="All calls">
      <table class="overview">
        <thead>
          <tr>
            <th scope="col">Service edge</th>
            <th scope="col" class="number">{seconds === null ? "Calls" : "Rate"}</th>
            <th scope="col" class="number">Failed</th>
            <th scope="col" class="number">Whole call, p99</th>
            <th scope="col" class="number">Data plane, p99</th>
          </tr>
        </thead>
        <tbody>
          {comparison.edges.map((edge) => (
            <tr key={edgeKey(edge)}>
              <th scope="row"><a href={href("compare", { set, edge: edgeKey(edge) })}>{edgeKey(edge)}</a></th>
              <td class="number">{callsOf(edge, seconds)}</td>
              <td class="number">{failuresOf(edge) > 0 ? <span class="failureCount"><span aria-hidden="true">✕ </span>{count(failuresOf(edge))} <span class="muted">{share(failuresOf(edge), edge.calls)}</span></span> : "0"}</td>
              <td class="number">{edge.total ? duration(edge.total.p99Ns, 3) : "–"}</td>
              <td class="number strong">{edge.dataPlane ? duration(edge.dataPlane.p99Ns, 3) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
