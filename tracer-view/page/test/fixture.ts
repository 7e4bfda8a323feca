/** Traces made in code: HotROD, two nodes, failures, hostile names, and one of 5,000 spans. No randomness but a seed. */

import type {
  Bucket, Comparison, EdgeView, ExchangeView, HopView, LongestHop, PartName, PathRole, PathView, Quantity, SpanView, TraceRow, TraceSet, TraceView,
} from "../src/model";
import { PART_NAMES } from "../src/model";

export type Fault = "none" | "drop" | "noEndpoints" | "retransmit" | "incomplete";

export interface Recipe {
  seed: number;
  startMs: number;
  twoNodes?: boolean;
  fault?: Fault;
  /** What netfilter takes, against iptables. */
  netfilter?: number;
  /** Names that try to be markup. */
  hostile?: boolean;
}

export interface FixtureSet {
  set: TraceSet;
  recipes: Map<string, () => TraceView>;
  rows: TraceRow[];
  views: TraceView[];
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Node {
  span: Omit<SpanView, "parent" | "depth">;
  children: Node[];
  path?: PathView;
  exchange?: ExchangeView;
  hop?: HopView;
}

const HOSTILE = '<script>document.title="owned"</script>';

class Builder {
  readonly random: () => number;
  private ids = 0;
  constructor(readonly recipe: Recipe) {
    this.random = randomOf(recipe.seed);
  }
  id(): string {
    this.ids += 1;
    return (this.recipe.seed * 100_000 + this.ids).toString(16).padStart(16, "0");
  }
  around(ns: number): number {
    const skew = this.random() ** 4 * 6;
    return Math.round(ns * (0.7 + this.random() * 0.6 + (this.random() < 0.05 ? skew : 0)));
  }
  application(name: string, service: string, kind: SpanView["kind"], startNs: number, durationNs: number, children: Node[], failure: string | null = null): Node {
    const hostile = this.recipe.hostile === true;
    return {
      span: {
        id: this.id(), name: hostile ? `${HOSTILE} ${name}` : name, service: hostile ? `${service}"><img src=x onerror=alert(1)>` : service,
        kind, layer: "application", role: null, startNs, durationNs, failure, notes: [], exchange: null, detached: null,
        attributes: [["http.request.method", "GET"], ["http.route", name], ...(hostile ? ([["<b>key</b>", "javascript:alert(1)"]] as [string, string][]) : [])],
        resource: [["service.name", service], ["telemetry.sdk.language", "go"]], events: [], links: [],
      },
      children,
    };
  }
  path(role: PathRole, client: string, server: string, startNs: number, options: { pod: string; service: string; veths: [string, string]; fault: Fault }): Node {
    const hops = this.hops(role, startNs, options);
    const durationNs = hops.reduce((sum, hop) => sum + hop.durationNs, 0);
    const failed = options.fault === "drop" || options.fault === "noEndpoints";
    const dropped = failed || options.fault === "retransmit";
    const original = `10.96.0.1${server.length}:8081`;
    const translated = `10.244.${this.recipe.twoNodes ? 2 : 1}.${server.length}:8081`;
    const rule = options.fault === "noEndpoints" ? ["KUBE-SERVICES"] : ["KUBE-SERVICES", "KUBE-SVC-B2WSPRXSKHBFGJM7", "KUBE-SEP-TEK2S23IG2VE2C26"];
    const failure = options.fault === "drop" ? "timeout; packet dropped in netfilter.forward: NETFILTER_DROP"
      : options.fault === "noEndpoints" ? `connection_refused; kube-proxy's rules refuse it: hotrod/${server}:http has no endpoints` : null;
    const path: PathView = {
      role, span: -1, from: role === "response" ? options.pod : `${client}-0`, to: role === "response" ? `${client}-0` : options.pod, hops,
      dnat: role === "response" || options.fault === "noEndpoints" ? null : { original, translated },
      snat: role !== "response" && this.recipe.twoNodes && server === "driver" ? "10.244.1.1" : null,
      rule: role === "response" ? [] : rule,
      choice: role === "response" || options.fault === "noEndpoints" ? null : { endpoints: 3, probability: 1 / 3 },
      refusal: options.fault === "noEndpoints" ? "no endpoints" : null,
      drop: dropped && role === "connect" ? { hop: "netfilter.forward", reason: "NETFILTER_DROP", by: null } : null,
      retransmits: options.fault === "drop" ? 6 : options.fault === "retransmit" ? 1 : 0,
      incomplete: options.fault === "incomplete" && role === "response" ? "last hops" : null,
    };
    const notes = role === "response" ? [] : options.fault === "noEndpoints" ? [`→ ${original} by KUBE-SERVICES`] : [`${original} → ${translated} (${options.pod})`, `by ${rule.join(" > ")}`];
    return {
      path,
      span: {
        id: this.id(), name: role, service: "hopspan", kind: "other", layer: "dataPlane", role, startNs, durationNs, failure, notes, exchange: null, detached: null,
        attributes: [
          ["hopspan.role", role], ["hopspan.exchange.id", this.id()], ["network.transport", "tcp"], ["source.address", "10.244.1.8"], ["source.port", "41822"],
          ["destination.address", translated.split(":")[0] ?? ""], ["destination.port", "8081"], ["hopspan.nat.original", original], ["hopspan.nat.translated", translated],
          ["hopspan.kube_proxy.rule", rule.join(" > ")], ["hopspan.destination.k8s.pod.name", options.pod], ["k8s.service.name", server],
        ],
        resource: [["service.name", "hopspan"], ["k8s.node.name", "node-1"], ["host.name", "node-1"]],
        events: path.retransmits > 0 ? [{ name: "tcp.retransmitted", atNs: startNs + durationNs / 2, attributes: [["hopspan.tcp.packet", "SYN"], ["hopspan.drop.reason", "NETFILTER_DROP"]] }] : [],
        links: [],
      },
      children: hops.map((hop) => this.hopNode(hop)),
    };
  }
  private hopNode(hop: HopView): Node {
    return {
      hop,
      span: {
        id: this.id(), name: hop.name, service: "hopspan", kind: "other", layer: "dataPlane", role: "hop", startNs: hop.startNs, durationNs: hop.durationNs,
        failure: null, notes: [], exchange: null, detached: null,
        attributes: [["hopspan.role", "hop"], ["hopspan.hop", hop.name], ...(hop.interface ? ([["network.interface.name", hop.interface]] as [string, string][]) : [])],
        resource: [], events: [], links: [],
      },
      children: [],
    };
  }
  private hops(role: PathRole, startNs: number, { veths: [near, far], fault }: { veths: [string, string]; fault: Fault }): HopView[] {
    const [out, back] = role === "response" ? [far, near] : [near, far];
    const two = this.recipe.twoNodes === true;
    const netfilter = (this.recipe.netfilter ?? 1) * (role === "connect" ? 3 : 1);
    const node = (first: string, last: string): [string, string | null, number][] => [
      ["veth", first, 3000], ["bridge", first, 2000], ["netfilter.prerouting", null, 2700 * netfilter], ["route", null, 4600],
      ["netfilter.forward", null, 2200 * netfilter], ["route", null, 650], ["netfilter.postrouting", null, 700 * netfilter], ["bridge", last, 1300], ["veth", last, 1800],
    ];
    const far2 = (last: string): [string, string | null, number][] => [
      ["overlay", "flannel.1", 20_000], ["netfilter.prerouting", null, 1100 * netfilter], ["route", null, 3000], ["netfilter.forward", null, 1900 * netfilter],
      ["route", null, 700], ["netfilter.postrouting", null, 300], ["bridge", "cni0", 1700], ["veth", last, 1600],
    ];
    const near2 = (first: string): [string, string | null, number][] => [...node(first, first).slice(0, 7), ["overlay", "flannel.1", 9000]];
    const oneWay = (first: string, last: string): [string, string | null, number][] => [
      ["client.stack", "eth0", role === "connect" && (fault === "drop" || fault === "retransmit") ? (fault === "drop" ? 7.1e9 : 1.001e9) : 9000],
      ...(two ? [...near2(first), ["wire", "eth0", 11_000] as [string, string | null, number], ...far2(last)] : node(first, last)),
      ["server.stack", "eth0", 2600],
    ];
    let list = oneWay(out, back);
    if (role === "connect" && (fault === "drop" || fault === "noEndpoints")) list = list.slice(0, list.findIndex(([name]) => name === "netfilter.forward") + 1);
    else if (role === "connect") list = [...list, ...oneWay(back, out).map(([name, device, ns]) => [name, device, name === "client.stack" ? 20_000 : Math.min(ns, 4000)] as [string, string | null, number])];
    else list.push(["socket.queue", null, role === "request" ? 45_000 : 90_000]);
    let at = startNs;
    let dnat = role !== "response";
    return list.map(([name, device, ns], index) => {
      const durationNs = ns > 1e8 ? ns : this.around(ns);
      const hop: HopView = {
        span: -1, name, interface: device, startNs: at, durationNs,
        dnat: dnat && name === "netfilter.prerouting" && fault !== "noEndpoints",
        snat: role !== "response" && two && near === "vethdriver" && name === "netfilter.postrouting" && index < 10,
        dropped: role === "connect" && (fault === "drop" || fault === "noEndpoints") && name === "netfilter.forward" && index === list.length - 1,
      };
      if (hop.dnat) dnat = false;
      at += durationNs;
      return hop;
    });
  }
  /** A client's span with its paths and the server's span. */
  call(client: string, server: string, route: string, startNs: number, connects: boolean, fault: Fault, body: (startNs: number) => { durationNs: number; children: Node[] }): Node {
    const ends = { pod: `${server}-${Math.floor(this.random() * 3)}`, service: server, veths: [`veth${client.slice(0, 8)}`, `veth${server.slice(0, 8)}`] as [string, string], fault };
    const children: Node[] = [];
    let at = startNs + this.around(60_000);
    if (connects) {
      const connect = this.path("connect", client, server, at, ends);
      children.push(connect);
      at += connect.span.durationNs;
    }
    if (fault === "drop" || fault === "noEndpoints") {
      const end = fault === "drop" ? startNs + 10e9 : at + 50_000;
      if (fault === "drop" && children[0]) children[0].span.durationNs = 10e9 - 60_000;
      const span = this.application(route, client, "client", startNs, end - startNs, children, fault === "drop" ? "timeout" : "connect");
      span.exchange = { client, server, paths: children.flatMap(({ path }) => (path ? [path] : [])) };
      return span;
    }
    const request = this.path("request", client, server, at, { ...ends, fault: "none" });
    at += request.span.durationNs;
    const inner = body(at);
    const serverSpan = this.application(route, server, "server", at, inner.durationNs, inner.children);
    at += inner.durationNs;
    const response = this.path("response", client, server, at, { ...ends, fault: fault === "incomplete" ? fault : "none" });
    children.push(request, serverSpan, response);
    at += response.span.durationNs + this.around(40_000);
    const span = this.application(route, client, "client", startNs, at - startNs, children);
    span.exchange = { client, server, paths: children.flatMap(({ path }) => (path ? [path] : [])) };
    return span;
  }
}

/** HotROD's dispatch: customer, driver, then ten routes in groups. */
export function hotrod(recipe: Recipe): TraceView {
  const b = new Builder(recipe);
  const fault = recipe.fault ?? "none";
  const root = b.call("client", "frontend", "GET /dispatch", 0, true, "none", (start) => {
    const children: Node[] = [];
    let at = start + b.around(300_000);
    const customer = b.call("frontend", "customer", "GET /customer", at, true, fault, () => ({ durationNs: b.around(6_200_000), children: [] }));
    children.push(customer);
    at = customer.span.startNs + customer.span.durationNs;
    if (fault === "drop" || fault === "noEndpoints") return { durationNs: at + 90_000 - start, children };
    const driver = b.call("frontend", "driver", "driver.DriverService/FindNearest", at + 100_000, true, "none", () => ({ durationNs: b.around(5_200_000), children: [] }));
    children.push(driver);
    at = driver.span.startNs + driver.span.durationNs;
    const busy = [at, at, at].map((free) => free + b.around(80_000));
    for (let call = 0; call < 10; call += 1) {
      const worker = busy.indexOf(Math.min(...busy));
      const route = b.call("frontend", "route", "GET /route", busy[worker] as number, call < 3, "none", () => ({ durationNs: b.around(3_300_000), children: [] }));
      children.push(route);
      busy[worker] = route.span.startNs + route.span.durationNs + b.around(50_000);
    }
    children.sort((x, y) => x.span.startNs - y.span.startNs);
    return { durationNs: Math.max(...busy) + 200_000 - start, children };
  });
  if (fault === "drop" || fault === "noEndpoints") root.span.failure = "502";
  const view = flatten(root, recipe);
  if (recipe.seed % 5 === 1) view.spans[0]?.links.push({ trace: traceId(recipe.seed + 1), span: "0000000000000001", attributes: [["why", "followed from"]] });
  return view;
}

/** One application span with calls until there are `spans` spans. */
export function large(seed: number, startMs: number, spans: number): TraceView {
  const recipe: Recipe = { seed, startMs };
  const b = new Builder(recipe);
  const children: Node[] = [];
  let [at, made] = [100_000, 1];
  while (made < spans) {
    const call = b.call("batch", "store", `PUT /items/${children.length}`, at, children.length % 9 === 0, "none", () => ({ durationNs: b.around(900_000), children: [] }));
    made += size(call);
    children.push(call);
    at = call.span.startNs + call.span.durationNs + 20_000;
  }
  return flatten(b.application("nightly import", "batch", "server", 0, at, children), recipe);
}

function size(node: Node): number {
  return 1 + node.children.reduce((sum, child) => sum + size(child), 0);
}

export function traceId(seed: number): string {
  return seed.toString(16).padStart(8, "0").repeat(4);
}

function flatten(root: Node, recipe: Recipe): TraceView {
  const spans: SpanView[] = [];
  const exchanges: ExchangeView[] = [];
  const edges = new Map<number, string>();
  const walk = (node: Node, parent: number | null, depth: number, exchange: number | null) => {
    const at = spans.length;
    const own = node.exchange ? exchanges.push(node.exchange) - 1 : exchange;
    spans.push({ ...node.span, parent, depth, exchange: node.path || node.hop ? exchange : null });
    if (node.path) node.path.span = at;
    if (node.hop) node.hop.span = at;
    if (node.path && exchange !== null) edges.set(at, `${exchanges[exchange]?.client} → ${exchanges[exchange]?.server}`);
    for (const child of [...node.children].sort((x, y) => x.span.startNs - y.span.startNs)) walk(child, at, depth + 1, own);
  };
  walk(root, null, 0, null);
  const main = spans[0] as SpanView;
  const hops: LongestHop[] = spans.flatMap((span, at) => {
    const path = span.role === "hop" && span.parent !== null ? spans[span.parent] : undefined;
    if (!path || span.name === "wire") return [];
    return [{
      name: span.name, interface: span.attributes.find(([key]) => key === "network.interface.name")?.[1] ?? null, durationNs: span.durationNs,
      role: path.role as PathRole, edge: edges.get(span.parent as number) ?? "", span: at,
    }];
  });
  hops.sort((x, y) => y.durationNs - x.durationNs);
  const dataPlaneNs = Math.min(main.durationNs, Math.round(exchanges.reduce((sum, { paths }) => sum + paths.reduce((all, { span }) => all + (spans[span]?.durationNs ?? 0), 0), 0) * 0.6));
  const failures = spans.flatMap((span) => (span.failure !== null && span.layer === "dataPlane" ? [`${span.name} of ${edges.get(spans.indexOf(span))}: ${span.failure}`] : []));
  const row: TraceRow = {
    id: traceId(recipe.seed), startMs: recipe.startMs, durationNs: main.durationNs, service: main.service, name: main.name,
    services: [...new Set(spans.filter(({ layer }) => layer === "application").map(({ service }) => service))],
    routes: [...new Set(spans.filter(({ kind }) => kind === "server").map(({ name }) => name))],
    applicationSpans: spans.filter(({ layer }) => layer === "application").length, dataPlaneSpans: spans.filter(({ layer }) => layer === "dataPlane").length,
    applicationNs: main.durationNs - dataPlaneNs, dataPlaneNs, longestHops: hops.slice(0, 3), failures,
    incomplete: recipe.fault === "incomplete", refusedSpans: 0,
  };
  const longest = hops[0];
  const headline = longest ? [`longest hop: ${longest.name}, ${longest.role} of ${longest.edge}`] : [];
  if (recipe.twoNodes) headline.push("clock of node-2 ahead of node-1's by 50.01 ms ± 195 µs, taken out");
  return { row, headline, spans, exchanges };
}

/** What the server computes from the traces; close enough to look at. */
export function compare(views: readonly TraceView[], fromMs = -Infinity, toMs = Infinity): Comparison {
  const inside = views.filter(({ row }) => row.startMs >= fromMs && row.startMs <= toMs);
  const edges = new Map<string, Edge>();
  for (const view of inside)
    view.exchanges.forEach((exchange) => {
      const key = `${exchange.client} ${exchange.server}`;
      const edge: Edge = edges.get(key) ?? { client: exchange.client, server: exchange.server, samples: [], failures: new Map() };
      edges.set(key, edge);
      const failure = exchange.paths.map(({ span }) => view.spans[span]?.failure).find((one) => one);
      if (failure) edge.failures.set(failure.split(";")[0] as string, (edge.failures.get(failure.split(";")[0] as string) ?? 0) + 1);
      edge.samples.push(sampleOf(view, exchange));
    });
  const starts = inside.map(({ row }) => row.startMs);
  return {
    traces: inside.length, fromMs: starts.length ? Math.min(...starts) : null, toMs: starts.length ? Math.max(...starts) : null,
    edges: [...edges.values()].map((edge): EdgeView => {
      const whole = edge.samples.filter(({ failed }) => !failed);
      const values = (name: PartName) => whole.flatMap(({ parts }) => (parts.has(name) ? [parts.get(name) as number] : []));
      return {
        client: edge.client, server: edge.server, calls: edge.samples.length, connected: edge.samples.filter(({ parts }) => parts.has("connect")).length, unseen: 0, incomplete: 0,
        failures: [...edge.failures].map(([reason, count]) => ({ reason, count })),
        total: quantity(edge.samples.map(({ totalNs }) => totalNs)), dataPlane: quantity(whole.map(({ dataPlaneNs }) => dataPlaneNs)),
        parts: PART_NAMES.flatMap((name) => {
          const one = quantity(values(name), whole.length);
          return one ? [{ name, quantity: one }] : [];
        }),
        totalHistogram: buckets(edge.samples.map(({ totalNs }) => totalNs)), dataPlaneHistogram: buckets(whole.map(({ dataPlaneNs }) => dataPlaneNs)),
        worst: [...whole].sort((x, y) => y.dataPlaneNs - x.dataPlaneNs).slice(0, 5).map((one) => ({
          trace: one.trace, span: one.span, startMs: one.startMs, totalNs: one.totalNs, dataPlaneNs: one.dataPlaneNs, longestHop: one.longestHop,
        })),
      };
    }),
  };
}

interface Edge {
  client: string;
  server: string;
  samples: Sample[];
  failures: Map<string, number>;
}

interface Sample {
  trace: string;
  span: number;
  startMs: number;
  totalNs: number;
  dataPlaneNs: number;
  failed: boolean;
  longestHop: string | null;
  parts: Map<PartName, number>;
}

function sampleOf(view: TraceView, exchange: ExchangeView): Sample {
  const first = view.spans[exchange.paths[0]?.span ?? 0] as SpanView;
  const span = first.parent ?? 0;
  const client = view.spans[span] as SpanView;
  const server = view.spans.find((one) => one.parent === span && one.kind === "server");
  const parts = new Map<PartName, number>();
  const add = (name: PartName, ns: number) => parts.set(name, (parts.get(name) ?? 0) + ns);
  let dataPlaneNs = 0;
  let longest: HopView | null = null;
  for (const path of exchange.paths)
    for (const hop of path.hops) {
      dataPlaneNs += hop.durationNs;
      if (longest === null || hop.durationNs > longest.durationNs) longest = hop;
      if (path.role === "connect") add("connect", hop.durationNs);
      else if (hop.name.endsWith(".stack")) add("stacks", hop.durationNs);
      else if (hop.name === "veth" || hop.name === "bridge") add("veth and bridge", hop.durationNs);
      else if (hop.name.startsWith("netfilter")) add("netfilter", hop.durationNs);
      else if (hop.name === "route") add("routing", hop.durationNs);
      else if (hop.name === "overlay" || hop.name === "wire") add("overlay and wire", hop.durationNs);
      else add("socket queue", hop.durationNs);
    }
  if (server) add("application", server.durationNs);
  add("client", Math.max(0, client.durationNs - (server?.durationNs ?? 0) - dataPlaneNs));
  return { trace: view.row.id, span, startMs: view.row.startMs, totalNs: client.durationNs, dataPlaneNs, failed: client.failure !== null || first.failure !== null, longestHop: longest?.name ?? null, parts };
}

function quantity(values: number[], of = values.length): Quantity | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
  return { calls: values.length, medianNs: at(0.5), p99Ns: at(0.99), maxNs: at(1), meanNs: Math.round(values.reduce((sum, one) => sum + one, 0) / of) };
}

function buckets(values: number[]): Bucket[] {
  const found = new Map<number, number>();
  for (const value of values) {
    const step = Math.floor(Math.log2(Math.max(1, value)) * 4);
    found.set(step, (found.get(step) ?? 0) + 1);
  }
  if (found.size === 0) return [];
  const [from, to] = [Math.min(...found.keys()), Math.max(...found.keys())];
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    fromNs: Math.floor(2 ** ((from + index) / 4)), toNs: Math.floor(2 ** ((from + index + 1) / 4)), calls: found.get(from + index) ?? 0,
  }));
}

/** All sets of the fixture. The live one has 1,000 traces. */
export function fixtureSets(nowMs: number): FixtureSet[] {
  const set = (id: string, name: string, views: TraceView[]): FixtureSet => {
    const recipes = new Map(views.map((view) => [view.row.id, () => view]));
    return { set: { id, name, traces: views.length }, recipes, rows: views.map(({ row }) => row).sort((a, b) => a.startMs - b.startMs), views };
  };
  const live: TraceView[] = [];
  for (let seed = 100; seed < 1092; seed += 1) {
    const fault: Fault = seed % 97 === 0 ? "drop" : seed % 61 === 0 ? "noEndpoints" : seed % 83 === 0 ? "retransmit" : seed % 71 === 0 ? "incomplete" : "none";
    live.push(hotrod({ seed, startMs: nowMs - (1092 - seed) * 700 - 9000, fault }));
  }
  live.push(
    large(1, nowMs - 9000, 5000),
    hotrod({ seed: 2, startMs: nowMs - 8000, twoNodes: true }),
    hotrod({ seed: 3, startMs: nowMs - 7000, hostile: true }),
    hotrod({ seed: 4, startMs: nowMs - 6000, fault: "incomplete" }),
    hotrod({ seed: 5, startMs: nowMs - 5000, fault: "retransmit" }),
    hotrod({ seed: 6, startMs: nowMs - 4000, fault: "noEndpoints" }),
    hotrod({ seed: 7, startMs: nowMs - 3000, fault: "drop" }),
    hotrod({ seed: 11, startMs: nowMs - 2000 }),
  );
  const recording = (first: number, startMs: number, netfilter: number) =>
    Array.from({ length: 60 }, (_, index) => hotrod({ seed: first + index, startMs: startMs + index * 500, netfilter }));
  return [
    set("live", "live", live),
    set("1", "before-iptables.jsonl", recording(5000, nowMs - 86_400_000, 3)),
    set("2", "after-nftables.jsonl", recording(6000, nowMs - 80_000_000, 1)),
  ];
}
