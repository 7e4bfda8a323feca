/** Where the services of the map stand. In: edges. Out: layers from callers to called. Pure. */

export interface MapNode {
  name: string;
  layer: number;
  /** Within its layer, from 0. */
  order: number;
}

export interface MapLayout {
  nodes: MapNode[];
  layers: number;
  /** The most nodes that a layer has. */
  widest: number;
}

/** A service stands one layer after its callers. Calls in a circle do not push their ends further. */
export function layoutMap(edges: readonly { client: string; server: string }[]): MapLayout {
  const names = [...new Set(edges.flatMap(({ client, server }) => [client, server]))];
  const called = new Map<string, string[]>(names.map((name) => [name, []]));
  const callers = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const { client, server } of edges) {
    if (client === server) continue;
    called.get(client)?.push(server);
    callers.get(server)?.push(client);
  }
  const backward = backEdges(names, called);
  const layer = new Map<string, number>(names.map((name) => [name, 0]));
  // A longest path without circles has fewer steps than there are services.
  for (let step = 0; step < names.length; step += 1) {
    let changed = false;
    for (const client of names)
      for (const server of called.get(client) ?? []) {
        const next = (layer.get(client) ?? 0) + 1;
        if (!backward.has(key(client, server)) && next > (layer.get(server) ?? 0)) {
          layer.set(server, next);
          changed = true;
        }
      }
    if (!changed) break;
  }
  return place(names, layer, callers);
}

/** Each layer ordered by the mean place of its callers, so that few edges cross. */
function place(names: string[], layer: Map<string, number>, callers: Map<string, string[]>): MapLayout {
  const layers = Math.max(0, ...layer.values()) + 1;
  const order = new Map<string, number>();
  const nodes: MapNode[] = [];
  let widest = 0;
  for (let at = 0; at < layers; at += 1) {
    const here = names.filter((name) => layer.get(name) === at);
    const mean = (name: string) => {
      const places = (callers.get(name) ?? []).map((caller) => order.get(caller)).filter((one) => one !== undefined);
      return places.length === 0 ? 0 : places.reduce((sum, one) => sum + one, 0) / places.length;
    };
    const sorted = here.map((name) => ({ name, mean: mean(name) })).sort((a, b) => a.mean - b.mean || (a.name < b.name ? -1 : 1));
    sorted.forEach(({ name }, index) => {
      order.set(name, index);
      nodes.push({ name, layer: at, order: index });
    });
    widest = Math.max(widest, here.length);
  }
  return { nodes, layers: names.length === 0 ? 0 : layers, widest };
}

/** The edges that close a circle, found in depth-first order. */
function backEdges(names: string[], called: Map<string, string[]>): Set<string> {
  const found = new Set<string>();
  const state = new Map<string, "open" | "done">();
  for (const start of names) {
    if (state.has(start)) continue;
    const stack: { name: string; next: number }[] = [{ name: start, next: 0 }];
    state.set(start, "open");
    for (let top = stack[stack.length - 1]; top; top = stack[stack.length - 1]) {
      const server = (called.get(top.name) ?? [])[top.next];
      top.next += 1;
      if (server === undefined) {
        state.set(top.name, "done");
        stack.pop();
      } else if (state.get(server) === "open") found.add(key(top.name, server));
      else if (!state.has(server)) {
        state.set(server, "open");
        stack.push({ name: server, next: 0 });
      }
    }
  }
  return found;
}

function key(client: string, server: string): string {
  return JSON.stringify([client, server]);
}
