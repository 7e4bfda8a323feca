import assert from "node:assert/strict";
import { test } from "node:test";
import { layoutMap } from "../src/map_layout";

function layers(edges: [string, string][]): Record<string, number> {
  return Object.fromEntries(layoutMap(edges.map(([client, server]) => ({ client, server }))).nodes.map(({ name, layer }) => [name, layer]));
}

test("a service stands after its callers", () => {
  assert.deepEqual(layers([["a", "b"], ["b", "c"], ["a", "c"]]), { a: 0, b: 1, c: 2 });
});

test("circles and calls of oneself end", () => {
  assert.deepEqual(layers([["a", "b"], ["b", "a"], ["b", "b"], ["b", "c"]]), { a: 0, b: 1, c: 2 });
});

test("no edges, and names that mean something to JavaScript", () => {
  assert.deepEqual(layoutMap([]), { nodes: [], layers: 0, widest: 0 });
  assert.deepEqual(layoutMap([{ client: "__proto__", server: "constructor" }]).nodes.map(({ name }) => name), ["__proto__", "constructor"]);
});

test("a layer is ordered by its callers, so that edges do not cross", () => {
  const { nodes } = layoutMap([{ client: "a", server: "z" }, { client: "b", server: "y" }]);
  assert.deepEqual(nodes.map(({ name, order }) => `${name}${order}`), ["a0", "b1", "z0", "y1"]);
});
