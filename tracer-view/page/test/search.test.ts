import assert from "node:assert/strict";
import { test } from "node:test";
import { matches, parseQuery } from "../src/search";
import { hotrod } from "./fixture";

const good = hotrod({ seed: 1, startMs: 0 }).row;
const dropped = hotrod({ seed: 2, startMs: 0, fault: "drop" }).row;
const incomplete = hotrod({ seed: 3, startMs: 0, fault: "incomplete" }).row;

function found(query: string): string {
  const rows = { good, dropped, incomplete };
  return Object.entries(rows).filter(([, row]) => matches(parseQuery(query), row)).map(([name]) => name).join(" ");
}

test("words match service, route, failure and trace id", () => {
  assert.equal(found(""), "good dropped incomplete");
  assert.equal(found("ROUTE"), "good incomplete");
  assert.equal(found("FindNearest"), "good incomplete");
  assert.equal(found("netfilter_drop"), "dropped");
  assert.equal(found(good.id), "good");
  assert.equal(found("frontend nothing"), "");
});

test("keys match what they name", () => {
  assert.equal(found("service:driver"), "good incomplete");
  assert.equal(found("service:/dispatch"), "");
  assert.equal(found("route:/dispatch"), "good dropped incomplete");
  assert.equal(found("failure:timeout"), "dropped");
  assert.equal(found("error"), "dropped");
  assert.equal(found("incomplete"), "incomplete");
  assert.equal(found("min:5s"), "dropped");
  assert.equal(found("max:5s"), "good incomplete");
  assert.equal(found('failure:"packet dropped"'), "dropped");
  assert.equal(found('"packet dropped in"'), "dropped");
});

test("what is not understood is said, or taken as a word", () => {
  assert.deepEqual(parseQuery("min:fast").problems, ["min:fast is no duration; write min:10ms"]);
  assert.deepEqual(parseQuery("service:").problems, ["service: needs a value"]);
  assert.deepEqual(parseQuery("http://a").words, ["http://a"]);
  assert.deepEqual(parseQuery('"open quote').words, ["open quote"]);
});
