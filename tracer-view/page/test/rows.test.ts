import assert from "node:assert/strict";
import { test } from "node:test";
import type { SpanView } from "../src/model";
import { firstFolds, place, reveal, rowsOf, scaleOf, SpanTree, wholeTime } from "../src/rows";
import { hotrod, large } from "./fixture";

const view = hotrod({ seed: 11, startMs: 0 });
const tree = new SpanTree(view.spans);

test("a HotROD trace is one screen: its application spans and the slowest path", () => {
  const rows = rowsOf(tree, firstFolds(view, tree));
  const application = rows.filter(({ span }) => view.spans[span]?.layer === "application");
  assert.equal(application.length, 26);
  assert.ok(rows.length <= 46, `${rows.length} rows`);
  const slowest = view.row.longestHops[0]?.span;
  assert.ok(rows.some(({ span }) => span === slowest));
});

test("a failed path is open, with its hops", () => {
  const failed = hotrod({ seed: 7, startMs: 0, fault: "drop" });
  const spans = new SpanTree(failed.spans);
  const rows = rowsOf(spans, firstFolds(failed, spans));
  const at = failed.spans.findIndex(({ failure, layer }) => failure !== null && layer === "dataPlane");
  assert.equal(rows.find(({ span }) => span === at)?.fold, "all");
  assert.ok(rows.some(({ span }) => failed.spans[span]?.name === "netfilter.forward"));
});

test("everything open has a row for each span, in the spans' order", () => {
  const folds = new Map(view.spans.map((_, at) => [at, "all" as const]));
  const rows = rowsOf(tree, folds);
  assert.deepEqual(rows.map(({ span }) => span), view.spans.map((_, at) => at));
  assert.deepEqual(rows.map(({ level }) => level - 1), view.spans.map(({ depth }) => depth));
});

test("revealing a hop opens no more than what is above it", () => {
  const folds = new Map();
  const hop = view.spans.findLastIndex(({ role }) => role === "hop");
  reveal(tree, folds, hop);
  const rows = rowsOf(tree, folds);
  assert.ok(rows.some(({ span }) => span === hop));
  assert.ok(rows.length < 60);
});

test("5,000 spans have 5,000 rows at most", () => {
  const big = large(1, 0, 5000);
  const spans = new SpanTree(big.spans);
  const start = performance.now();
  const rows = rowsOf(spans, new Map(big.spans.map((_, at) => [at, "all" as const])));
  assert.equal(rows.length, big.spans.length);
  assert.ok(performance.now() - start < 200);
});

test("a parent that does not come first makes a root, not a circle", () => {
  const span = (parent: number | null): SpanView => ({ ...(view.spans[0] as SpanView), parent });
  const circle = new SpanTree([span(1), span(0), span(2), span(99)]);
  assert.deepEqual(circle.roots, [0, 2, 3]);
  assert.equal(rowsOf(circle, new Map([[0, "all"]])).length, 4);
});

test("bars are cut at the window, and hops have the scale of their path", () => {
  assert.deepEqual(place(0, 50, { fromNs: 0, toNs: 100 }), { left: 0, width: 50 });
  assert.deepEqual(place(-10, 20, { fromNs: 0, toNs: 100 }), { left: 0, width: 10 });
  assert.equal(place(101, 5, { fromNs: 0, toNs: 100 }), null);
  const hop = view.spans.findIndex(({ role }) => role === "hop");
  const path = view.spans[view.spans[hop]?.parent ?? -1] as SpanView;
  assert.deepEqual(scaleOf(tree, hop, { fromNs: 0, toNs: 1 }), { fromNs: path.startNs, toNs: path.startNs + path.durationNs });
  assert.deepEqual(wholeTime([{ ...path, startNs: -5, durationNs: 3 }], 10), { fromNs: -5, toNs: 10 });
});
