import assert from "node:assert/strict";
import { test } from "node:test";
import { apply } from "../src/live";
import type { TraceList, TraceRow } from "../src/model";
import { href, parseRoute, traceHref } from "../src/route";
import { sideOf, sideParams } from "../src/side";
import { hotrod } from "./fixture";

const row = (seed: number, startMs: number): TraceRow => hotrod({ seed, startMs }).row;
const list = (change: Partial<TraceList>): TraceList => ({ version: 1, whole: false, rows: [], removed: [], losses: [], ...change });

test("new rows come first, changed ones replace, removed ones go", () => {
  const first = apply(null, list({ whole: true, rows: [row(1, 10), row(2, 20)] }));
  assert.deepEqual(first.rows.map(({ startMs }) => startMs), [20, 10]);
  const second = apply(first, list({ version: 2, rows: [row(3, 30), { ...row(1, 10), failures: ["late"] }], removed: [row(2, 20).id] }));
  assert.deepEqual(second.rows.map(({ startMs, failures }) => [startMs, failures.length]), [[30, 0], [10, 1]]);
  const third = apply(second, list({ version: 3, whole: true, rows: [row(4, 5)] }));
  assert.deepEqual(third.rows.map(({ startMs }) => startMs), [5]);
});

test("nothing new keeps the same object, so that nothing renders", () => {
  const first = apply(null, list({ whole: true, rows: [row(1, 10)] }));
  assert.equal(apply(first, list({})), first);
  assert.equal(apply(first, list({ version: 2 })).rows, first.rows);
  assert.deepEqual(apply(first, list({ losses: ["3 spans were lost"] })).losses, ["3 spans were lost"]);
});

test("addresses are read as they are written", () => {
  const trace = parseRoute(traceHref("a/b", "00ff", { span: "@3" }));
  assert.deepEqual([trace.view, trace.set, trace.trace, trace.params.get("span")], ["trace", "a/b", "00ff", "@3"]);
  assert.equal(parseRoute("").view, "traces");
  assert.equal(parseRoute("#/traces?q=min%3A10ms%20a%3Fb").params.get("q"), "min:10ms a?b");
  assert.equal(parseRoute(href("compare", { edge: "a → b" })).params.get("edge"), "a → b");
  assert.equal(parseRoute("#/nowhere").view, "notFound");
  assert.equal(parseRoute("#/trace/%E0%A4%A/x").view, "trace");
});

test("the sides of a comparison are in the address", () => {
  const side = { set: "2", window: { lastMs: 60_000, fromMs: null, toMs: null } };
  assert.deepEqual(sideOf(parseRoute(href("compare", sideParams("b", side))).params, "b"), side);
  assert.equal(sideOf(parseRoute("#/compare").params, "b").set, null);
  assert.equal(sideOf(parseRoute("#/compare?a.last=x").params, "a").window.lastMs, null);
});
