import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExchangeView } from "../src/model";
import { addressesOf, picturesOf, type BandLane } from "../src/path_layout";
import { hotrod, type Recipe } from "./fixture";

function exchange(recipe: Partial<Recipe>, at: number): ExchangeView {
  return hotrod({ seed: 11, startMs: 0, ...recipe }).exchanges[at] as ExchangeView;
}

function columns(lane: BandLane | undefined): string {
  return (lane?.hops ?? []).map(({ side, column }) => `${side}${column}`).join(" ");
}

test("the request goes right, the response comes back in the same places", () => {
  const [picture] = picturesOf(exchange({}, 1));
  assert.equal(picture?.bands.length, 1);
  const band = picture?.bands[0];
  assert.deepEqual(band?.places.map(({ side, title, columns }) => [side, title.replace(/\d/, "N"), columns]), [["client", "frontend-N", 2], ["clientNode", "node", 9], ["server", "customer-N", 2]]);
  assert.equal(columns(band?.lanes[0]), "client2 clientNode3 clientNode4 clientNode5 clientNode6 clientNode7 clientNode8 clientNode9 clientNode10 clientNode11 server12 server13");
  assert.equal(columns(band?.lanes[1]), "server12 clientNode11 clientNode10 clientNode9 clientNode8 clientNode7 clientNode6 clientNode5 clientNode4 clientNode3 client2 client1");
});

test("a connect is a SYN there and a SYN-ACK back", () => {
  const picture = picturesOf(exchange({}, 1)).find(({ title }) => title === "connect");
  const lanes = picture?.bands[0]?.lanes ?? [];
  assert.deepEqual(lanes.map(({ lane }) => [lane.message, lane.forward]), [["SYN", true], ["SYN-ACK", false]]);
  assert.equal(lanes[0]?.hops.at(-1)?.hop.name, "server.stack");
  assert.equal(lanes[1]?.hops.at(0)?.hop.name, "client.stack");
});

test("two nodes are two bands, cut at the wire", () => {
  const [picture] = picturesOf(exchange({ twoNodes: true }, 1));
  assert.deepEqual(picture?.bands.map(({ places }) => places.map(({ side }) => side)), [["client", "clientNode", "wire"], ["serverNode", "server"]]);
  const hops = picture?.bands.flatMap(({ lanes }) => lanes).reduce((sum, { hops }) => sum + hops.length, 0);
  assert.equal(hops, exchange({ twoNodes: true }, 1).paths.filter(({ role }) => role !== "connect").reduce((sum, { hops }) => sum + hops.length, 0));
});

test("the client's half of a connect has one wire for both ways", () => {
  const whole = exchange({ twoNodes: true }, 1);
  const connect = whole.paths.find(({ role }) => role === "connect");
  assert.ok(connect);
  const wire = connect.hops.findIndex(({ name }) => name === "wire");
  const back = connect.hops.slice(connect.hops.findLastIndex(({ name }) => name === "wire") + 1);
  const half = { ...connect, hops: [...connect.hops.slice(0, wire + 1), ...back] };
  const [picture] = picturesOf({ ...whole, paths: [half] });
  const lanes = picture?.bands[0]?.lanes ?? [];
  assert.deepEqual(lanes.map(({ lane }) => lane.message), ["SYN", "SYN-ACK"]);
  assert.equal(lanes[0]?.hops.at(-1)?.hop.name, "wire");
  assert.equal(lanes[1]?.hops.at(-1)?.side, "client");
});

test("a dropped message does not reach the server", () => {
  const picture = picturesOf(exchange({ fault: "drop" }, 1)).find(({ title }) => title === "connect");
  const lane = picture?.bands[0]?.lanes[0];
  assert.equal(lane?.hops.at(-1)?.hop.dropped, true);
  assert.equal(lane?.unreached?.side, "server");
});

test("addresses change where they were translated", () => {
  const lane = picturesOf(exchange({}, 1))[0]?.bands[0]?.lanes[0];
  assert.ok(lane);
  const parts = addressesOf(lane, false, false);
  assert.deepEqual(parts.map(({ first, columns, to, changed }) => [first, columns, to, changed]), [
    [2, 4, "10.96.0.18:8081", null],
    [6, 8, "10.244.1.8:8081", "DNAT"],
  ]);
});
