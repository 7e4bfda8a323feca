/** Calls by a time: one or two histograms on one logarithmic axis, as small bars. */

import { counted, duration } from "./format";
import type { Bucket } from "./model";

interface Props {
  title: string;
  /** What is counted: a fill of page.css. */
  kind: "dataPlane" | "whole";
  a: Bucket[];
  b: Bucket[] | null;
}

const WIDTH = 320;
const HEIGHT = 72;

export function Histogram({ title, kind, a, b }: Props) {
  const all = [...a, ...(b ?? [])].filter(({ calls }) => calls > 0);
  if (all.length === 0) return null;
  const from = Math.max(1, Math.min(...all.map(({ fromNs }) => fromNs)));
  const to = Math.max(from * 1.01, ...all.map(({ toNs }) => toNs));
  const x = (ns: number) => (Math.log(Math.max(ns, from) / from) / Math.log(to / from)) * WIDTH;
  // The sides may have different numbers of calls, so a bar is the share of its own side.
  const total = (side: Bucket[]) => side.reduce((sum, { calls }) => sum + calls, 0);
  const share = (bucket: Bucket, side: Bucket[]) => bucket.calls / Math.max(1, total(side));
  const highest = Math.max(...a.map((one) => share(one, a)), ...(b ?? []).map((one) => share(one, b ?? [])));
  const bars = (side: Bucket[], name: "a" | "b") =>
    side.filter(({ calls }) => calls > 0).map((one) => {
      const height = Math.max(1.5, (share(one, side) / highest) * HEIGHT);
      const [left, right] = [x(one.fromNs), x(one.toNs)];
      return <rect key={`${name}${one.fromNs}`} class={`histogram ${name} ${kind}`} x={left} width={Math.max(1, right - left - 0.5)} y={HEIGHT - height} height={height}><title>{`${counted(one.calls, "call")} from ${duration(one.fromNs, 3)} to ${duration(one.toNs, 3)}`}</title></rect>;
    });
  const most = a.reduce<Bucket | null>((best, one) => (best === null || one.calls > best.calls ? one : best), null);
  const words = `${title}: from ${duration(from, 3)} to ${duration(to, 3)}${most ? `, most often ${duration(most.fromNs, 3)} to ${duration(most.toNs, 3)}` : ""}`;
  return (
    <figure class="histogramFigure">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words}>
        <line class="base" x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        {bars(a, "a")}
        {b && bars(b, "b")}
      </svg>
      <div class="histogramAxis" aria-hidden="true"><span>{duration(from, 3)}</span><span>{duration(Math.sqrt(from * to), 3)}</span><span>{duration(to, 3)}</span></div>
    </figure>
  );
}
