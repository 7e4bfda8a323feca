import assert from "node:assert/strict";
import { test } from "node:test";
import { choiceInWords } from "../src/path_picture";
import { count, counted, difference, duration, parseDuration, rate, share, shortenMiddle, ticks } from "../src/format";

test("durations are as the terminal prints them", () => {
  const check = (ns: number, expected: string, digits = 4) => assert.equal(duration(ns, digits), expected);
  check(0, "0 ns");
  check(641, "641 ns");
  check(1_000, "1.000 µs");
  check(98_440, "98.44 µs");
  check(99_999, "100.0 µs");
  check(999_960, "1.000 ms");
  check(7_777_000, "7.777 ms");
  check(734_213_000, "734.2 ms");
  check(999_950_000, "1.000 s");
  check(61_000_000_000, "61.00 s");
  check(9_999_400_000_000, "9999 s");
  check(9_999_600_000_000, "2.778 h");
  check(-1_500, "-1.500 µs");
  check(84_120, "84.1 µs", 3);
  check(999_500, "1.00 ms", 3);
  check(Number.NaN, "–");
});

test("shares, counts and rates", () => {
  assert.equal(share(21, 340), "6.2 %");
  assert.equal(share(1, 100_000), "<0.1 %");
  assert.equal(share(0, 5), "0 %");
  assert.equal(share(5, 0), "0 %");
  assert.equal(share(9.96, 100), "10 %");
  assert.equal(count(1_234_567), "1,234,567");
  assert.equal(counted(1, "trace"), "1 trace");
  assert.equal(counted(1000, "trace"), "1,000 traces");
  assert.equal(difference(1500), "+1.50 µs");
  assert.equal(rate(1000, 700), "1.43/s");
  assert.equal(rate(1, 10), "0.10/s");
});

test("typed durations", () => {
  assert.equal(parseDuration("10ms"), 1e7);
  assert.equal(parseDuration("1.5s"), 1.5e9);
  assert.equal(parseDuration("250us"), 250_000);
  assert.equal(parseDuration("250µs"), 250_000);
  assert.equal(parseDuration("3"), 3e6);
  assert.equal(parseDuration("fast"), null);
  assert.equal(parseDuration("-3ms"), null);
});

test("ticks are round and bounded", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(5, 5, 5), []);
  assert.ok(ticks(0, 33.9e6, 6).length <= 8);
});

test("long names keep both ends", () => {
  assert.equal(shortenMiddle("netfilter.prerouting", 9), "netf…ting");
  assert.equal(shortenMiddle("short", 9), "short");
});

test("the choice of an endpoint in words", () => {
  assert.equal(choiceInWords({ endpoints: 1, probability: 1 }), "the only endpoint");
  assert.equal(choiceInWords({ endpoints: 3, probability: 1 / 3 }), "1 of 3 endpoints, each with probability 0.33; the other 2 were not chosen");
});
