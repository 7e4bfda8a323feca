/** What hops are: words, and where they happen. Pure. */

import type { HopView, PathView } from "./model";

/** `docs/spans.md` in short. */
const HOPS: Record<string, string> = {
  "client.stack": "from the sending socket to the first device",
  veth: "from one end of a veth pair to the other",
  bridge: "through a bridge",
  "netfilter.prerouting": "conntrack, mangle and DNAT on arrival",
  "netfilter.input": "rules for packets to this namespace",
  "netfilter.forward": "rules for forwarded packets: policies",
  "netfilter.output": "rules for packets sent here: DNAT",
  "netfilter.postrouting": "SNAT and masquerade before departure",
  route: "routing, neighbour lookup and queueing",
  overlay: "encapsulation, and what happens to the outer packet",
  wire: "between two nodes",
  "server.stack": "from the last device to the receiving socket",
  "socket.queue": "in the receive queue, until the application reads",
  body: "from the first packet of the response to its last",
};

export function hopInWords(name: string): string {
  return HOPS[name] ?? "a hop";
}

export function dropInWords({ hop, reason, by }: NonNullable<PathView["drop"]>): string {
  return `packet dropped${hop === null ? "" : ` in ${hop}`}: ${reason}${by === null ? "" : `, by ${by}`}`;
}

export type Place = "sender" | "node" | "wire" | "receiver";

/** Hops one after another in one place. */
export interface Region {
  place: Place;
  title: string;
  hops: HopView[];
}

/** One direction of a path: of a connect there are two, the SYN and the SYN-ACK. */
export interface Lane {
  message: string;
  /** Left to right; the answer goes right to left. */
  forward: boolean;
  from: string;
  to: string;
  path: PathView;
  regions: Region[];
  /** The time from the path's first hop to this lane's first. */
  startNs: number;
  durationNs: number;
}

/** The ways of an exchange's messages, in order of time. */
export function lanesOf(path: PathView): Lane[] {
  const [there, back] = path.role === "connect" ? splitConnect(path.hops) : [path.hops, []];
  const forward = path.role !== "response";
  const message = path.role === "connect" ? "SYN" : path.role;
  const lanes = [lane(path, message, forward, path.from, path.to, there)];
  if (back.length > 0) lanes.push(lane(path, "SYN-ACK", false, path.to, path.from, back));
  return lanes;
}

function lane(path: PathView, message: string, forward: boolean, from: string, to: string, hops: HopView[]): Lane {
  const first = hops[0];
  const last = hops[hops.length - 1];
  return {
    message, forward, from, to, path, regions: regionsOf(hops, from, to),
    startNs: first?.startNs ?? 0,
    durationNs: first && last ? last.startNs + last.durationNs - first.startNs : 0,
  };
}

/** The SYN-ACK begins where the server's own stack sends: at the second `client.stack`. The client's
 * half of a connect between nodes has one `wire` for both ways; what follows it is the SYN-ACK's. */
function splitConnect(hops: HopView[]): [there: HopView[], back: HopView[]] {
  const arrived = hops.findIndex((hop) => hop.name === "server.stack");
  const sent = hops.findIndex((hop, at) => hop.name === "client.stack" && at > arrived && arrived >= 0);
  if (sent > 0) return [hops.slice(0, sent), hops.slice(sent)];
  const wires = hops.map((hop, at) => (hop.name === "wire" ? at : -1)).filter((at) => at >= 0);
  const wire = wires[0];
  if (arrived < 0 || (wire !== undefined && wires.length === 1 && arrived > wire)) {
    if (wire !== undefined) return [hops.slice(0, wire + 1), hops.slice(wire + 1)];
  }
  return [hops, []];
}

function regionsOf(hops: HopView[], from: string, to: string): Region[] {
  const regions: Region[] = [];
  let nodes = 0;
  const wired = hops.some((hop) => hop.name === "wire");
  for (const hop of hops) {
    const place = placeOf(hop.name);
    let region = regions[regions.length - 1];
    if (!region || region.place !== place) {
      if (place === "node") nodes += 1;
      const node = !wired ? "node" : nodes === 1 ? "sender's node" : "receiver's node";
      const title = place === "sender" ? from : place === "receiver" ? to : place === "wire" ? "wire" : node;
      region = { place, title, hops: [] };
      regions.push(region);
    }
    region.hops.push(hop);
  }
  return regions;
}

function placeOf(name: string): Place {
  if (name === "client.stack") return "sender";
  if (name === "server.stack" || name === "socket.queue" || name === "body") return "receiver";
  return name === "wire" ? "wire" : "node";
}
