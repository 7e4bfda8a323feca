/**
 * What the page gets as JSON. The Rust side is `tracer-view/src/web/`, one struct for each interface
 * here. The page draws it and computes nothing that a number in it depends on.
 *
 * Times ending in `Ns` are nanoseconds. A time `startNs` counts from the start of its trace, because
 * nanoseconds since the Unix epoch do not fit a JavaScript number. `startMs` is milliseconds since
 * the Unix epoch. All text is untrusted.
 */

/** A set of traces: those received (`live`), or those of a file. */
export interface TraceSet {
  /** `live`, or a number that the server chose. */
  id: string;
  /** For people: `live`, or the file's name. */
  name: string;
  traces: number;
}

/** `GET /api/sets/ID/traces?after=VERSION` */
export interface TraceList {
  /** To be given as `after` next time. */
  version: number;
  /** The rows replace all that the page has: the first answer, or the page was too far behind. */
  whole: boolean;
  /** New and changed rows, oldest first. */
  rows: TraceRow[];
  /** Traces that are no longer kept. */
  removed: string[];
  /** What was lost, as sentences; empty when nothing was. */
  losses: string[];
}

/** A trace in the list. */
export interface TraceRow {
  /** 32 hexadecimal digits. */
  id: string;
  startMs: number;
  /** Of the main root span. */
  durationNs: number;
  /** `service.name` and name of the main root span. */
  service: string;
  name: string;
  /** All services, each once. */
  services: string[];
  /** Names of the server spans and of exchanges' roots, which contain route or RPC method, each once. */
  routes: string[];
  applicationSpans: number;
  /** Hops included. */
  dataPlaneSpans: number;
  /** The parts of the duration by the trace's critical path. They add up to `durationNs`. */
  applicationNs: number;
  dataPlaneNs: number;
  /** The longest hops, at most three, longest first. */
  longestHops: LongestHop[];
  /** Each failure in words, at most 20. */
  failures: string[];
  /** Something of the data plane was not seen. */
  incomplete: boolean;
  /** Spans that did not fit. */
  refusedSpans: number;
}

export interface LongestHop {
  name: string;
  interface: string | null;
  durationNs: number;
  /** The path that it is a part of. */
  role: PathRole;
  /** `frontend → route`. */
  edge: string;
  /** Index in `TraceView.spans`. */
  span: number;
}

export type PathRole = "connect" | "request" | "response";

/** `GET /api/sets/ID/traces/TRACE` */
export interface TraceView {
  row: TraceRow;
  /** The answer in at most three lines, as the terminal prints it. */
  headline: string[];
  /** Each span after its parent, siblings by start. */
  spans: SpanView[];
  exchanges: ExchangeView[];
}

export interface SpanView {
  /** 16 hexadecimal digits. */
  id: string;
  /** Index of the parent. */
  parent: number | null;
  depth: number;
  name: string;
  service: string;
  kind: "client" | "server" | "other";
  layer: "application" | "dataPlane";
  role: PathRole | "hop" | "exchange" | "dns" | "tls" | null;
  startNs: number;
  durationNs: number;
  /** A failure in words: `packet dropped in netfilter.forward: NETFILTER_DROP`. */
  failure: string | null;
  /** Facts in words, as the terminal prints them below a path. */
  notes: string[];
  /** Index in `TraceView.exchanges`. */
  exchange: number | null;
  /** Why it is a root although it has a parent. */
  detached: string | null;
  /** All attributes of the span as received, and its resource's. Empty for a hop that was a part of an attribute. */
  attributes: [key: string, value: string][];
  resource: [key: string, value: string][];
  events: { name: string; atNs: number; attributes: [key: string, value: string][] }[];
  links: { trace: string; span: string; attributes: [key: string, value: string][] }[];
}

/** A request and its response. */
export interface ExchangeView {
  client: string;
  server: string;
  paths: PathView[];
}

/** One message's way: what the path picture draws, from left to right. */
export interface PathView {
  role: PathRole;
  /** Index of its span. */
  span: number;
  /** The two ends: pod, else address. Of a response `from` is the server. */
  from: string;
  to: string;
  hops: HopView[];
  /** `10.96.0.11:8081` → `10.244.1.3:8081`; null where nothing was translated. */
  dnat: { original: string; translated: string } | null;
  /** The source address after SNAT. */
  snat: string | null;
  /** The chains that chose the endpoint or refused the connection, in order; empty where unknown. */
  rule: string[];
  /** How many endpoints could have been chosen, and the share of new connections each gets. No agent sends it yet. */
  choice?: { endpoints: number; probability: number } | null;
  /** Why the rules lead nowhere. */
  refusal: string | null;
  /** A dropped packet: the hop by its name, the kernel's reason, and what dropped it. */
  drop: { hop: string | null; reason: string; by: string | null } | null;
  retransmits: number;
  /** What was not seen. */
  incomplete: string | null;
}

export interface HopView {
  /** Index of its span. */
  span: number;
  name: string;
  interface: string | null;
  startNs: number;
  durationNs: number;
  /** DNAT happened here; SNAT happened here; the packet was dropped here. */
  dnat: boolean;
  snat: boolean;
  dropped: boolean;
}

/** `GET /api/sets/ID/comparison?from=MS&to=MS` (both optional, Unix time of the traces' starts) */
export interface Comparison {
  traces: number;
  /** Unix time of the first and the last trace; null without traces. */
  fromMs: number | null;
  toMs: number | null;
  edges: EdgeView[];
}

/** One service edge. */
export interface EdgeView {
  client: string;
  server: string;
  calls: number;
  /** Calls that opened a connection. */
  connected: number;
  /** Calls without an exchange, and calls of which a part was not seen: in no data-plane number. */
  unseen: number;
  incomplete: number;
  failures: { reason: string; count: number }[];
  total: Quantity | null;
  dataPlane: Quantity | null;
  /** Where the time goes, in the order of `PART_NAMES`; parts without a value are left out. */
  parts: PartView[];
  /** Calls by duration, and by data-plane time. */
  totalHistogram: Bucket[];
  dataPlaneHistogram: Bucket[];
  /** The calls that spent most time in the data plane, at most 5. */
  worst: WorstCall[];
}

export const PART_NAMES = [
  "application",
  "client",
  "dns",
  "connect",
  "stacks",
  "veth and bridge",
  "netfilter",
  "routing",
  "overlay and wire",
  "socket queue",
  "other hops",
] as const;
export type PartName = (typeof PART_NAMES)[number];

export interface PartView {
  name: PartName;
  quantity: Quantity;
}

export interface Quantity {
  calls: number;
  medianNs: number;
  p99Ns: number;
  maxNs: number;
  /**
   * The mean over the calls that were seen whole, in which a call without the part counts as 0: so
   * the means of the parts add up to the mean of the whole, which medians do not.
   */
  meanNs: number;
}

/** Calls whose value is at least `fromNs` and less than `toNs`. Buckets have no gap. */
export interface Bucket {
  fromNs: number;
  toNs: number;
  calls: number;
}

export interface WorstCall {
  trace: string;
  /** Index of the client's span in `TraceView.spans`. */
  span: number;
  startMs: number;
  totalNs: number;
  dataPlaneNs: number;
  longestHop: string | null;
}

/** What `hopspan report --html` writes into the page, in the place of a server. */
export interface EmbeddedReport {
  /** RFC 3339. */
  created: string;
  sets: {
    set: TraceSet;
    list: TraceList;
    comparison: Comparison;
    /** The traces that can be opened: the slowest and the failed ones. */
    traces: TraceView[];
  }[];
}
