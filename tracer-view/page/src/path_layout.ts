/** Where the hops of an exchange stand in the path picture. Pure: columns and rows, no pixels. */

import { lanesOf, type Lane } from "./hops";
import type { ExchangeView, HopView } from "./model";

export type Side = "client" | "clientNode" | "wire" | "serverNode" | "server";
const SIDES: readonly Side[] = ["client", "clientNode", "wire", "serverNode", "server"];

/** A message there above its answer: SYN above SYN-ACK, request above response. */
export interface Picture {
  title: string;
  bands: Band[];
}

/** Columns side by side. A long picture is cut at the wire into two bands. */
export interface Band {
  places: PlaceColumns[];
  columns: number;
  lanes: BandLane[];
}

export interface PlaceColumns {
  side: Side;
  title: string;
  /** From 1. */
  first: number;
  columns: number;
}

export interface BandLane {
  lane: Lane;
  hops: PlacedHop[];
  /** The lane goes on in the other band, or comes from it. */
  continues: boolean;
  /** The place that a dropped message did not reach. */
  unreached: PlaceColumns | null;
}

export interface PlacedHop {
  hop: HopView;
  side: Side;
  /** From 1. */
  column: number;
  /** The first of its place, in order of time. */
  enters: string | null;
  last: boolean;
}

/** Hops side by side that are still readable at 1280 pixels. */
const WIDEST = 16;

export function picturesOf(exchange: ExchangeView): Picture[] {
  const lanes = exchange.paths.flatMap(lanesOf);
  const connects = lanes.filter(({ path }) => path.role === "connect");
  const others = lanes.filter(({ path }) => path.role !== "connect");
  const pictures: Picture[] = [];
  if (others.length > 0) pictures.push({ title: "request and response", bands: bandsOf(others) });
  if (connects.length > 0) pictures.push({ title: "connect", bands: bandsOf(connects) });
  // What went wrong comes first.
  return connects.some(({ path }) => path.drop !== null || path.refusal !== null) ? pictures.reverse() : pictures;
}

function bandsOf(lanes: Lane[]): Band[] {
  const sided = lanes.map((lane) => ({ lane, regions: sidesOf(lane) }));
  const all = SIDES.flatMap((side) => {
    const hops = Math.max(0, ...sided.map(({ regions }) => regions.get(side)?.length ?? 0));
    const unreached = side === "server" && hops === 0 && lanes.some(wasDropped);
    return hops > 0 || unreached ? [{ side, columns: Math.max(hops, unreached ? 2 : 1) }] : [];
  });
  const columns = all.reduce((sum, place) => sum + place.columns, 0);
  const wire = all.findIndex(({ side }) => side === "wire");
  const groups = columns > WIDEST && wire >= 0 && wire < all.length - 1 ? [all.slice(0, wire + 1), all.slice(wire + 1)] : [all];
  return groups.map((group) => {
    let first = 1;
    const places = group.map(({ side, columns }) => {
      const place = { side, columns, first, title: titleOf(side, lanes) };
      first += columns;
      return place;
    });
    return {
      places,
      columns: first - 1,
      lanes: sided.map(({ lane, regions }) => bandLane(lane, regions, places, groups.length > 1)),
    };
  });
}

function bandLane(lane: Lane, regions: Map<Side, HopView[]>, places: PlaceColumns[], continues: boolean): BandLane {
  const ordered = lane.forward ? places : [...places].reverse();
  const hops: PlacedHop[] = ordered.flatMap((place) => {
    const here = regions.get(place.side) ?? [];
    // A message leaves its sender beside the next place.
    const skipped = place.side === (lane.forward ? "client" : "server") ? place.columns - here.length : 0;
    return here.map((hop, at) => ({
      hop,
      side: place.side,
      column: lane.forward ? place.first + skipped + at : place.first + place.columns - 1 - skipped - at,
      enters: at === 0 ? place.title : null,
      last: false,
    }));
  });
  const last = hops[hops.length - 1];
  const end = lane.path.hops[lane.path.hops.length - 1];
  if (last && last.hop === end) last.last = true;
  const server = places.find(({ side }) => side === "server");
  const unreached = lane.forward && wasDropped(lane) && !regions.has("server") ? (server ?? null) : null;
  return { lane, hops, continues, unreached };
}

function wasDropped(lane: Lane): boolean {
  return lane.path.drop !== null && lane.forward;
}

/** The hops by where they happen. Without a wire there is one node, the client's, unless only the
 * server's half was seen. */
function sidesOf(lane: Lane): Map<Side, HopView[]> {
  const sides = new Map<Side, HopView[]>();
  const places = lane.regions.map(({ place }) => place);
  const wired = places.includes("wire");
  const [nearSide, farSide]: [Side, Side] = lane.forward ? ["clientNode", "serverNode"] : ["serverNode", "clientNode"];
  const [from, to]: [Side, Side] = lane.forward ? ["client", "server"] : ["server", "client"];
  const clientEnd = lane.forward ? "sender" : "receiver";
  const serverEnd = lane.forward ? "receiver" : "sender";
  const serverOnly = !wired && places.includes(serverEnd) && !places.includes(clientEnd);
  let passed = false;
  for (const region of lane.regions) {
    let side: Side;
    if (region.place === "sender") side = from;
    else if (region.place === "receiver") side = to;
    else if (region.place === "wire") {
      side = "wire";
      passed = true;
    } else if (!wired) side = serverOnly ? "serverNode" : "clientNode";
    else side = passed ? farSide : nearSide;
    sides.set(side, [...(sides.get(side) ?? []), ...region.hops]);
  }
  return sides;
}

function titleOf(side: Side, lanes: Lane[]): string {
  const there = lanes.find(({ forward }) => forward);
  const back = lanes.find(({ forward }) => !forward);
  if (side === "client") return there?.from ?? back?.to ?? "client";
  if (side === "server") return there?.to ?? back?.from ?? "server";
  if (side === "wire") return "wire";
  const twoNodes = lanes.some(({ regions }) => regions.some(({ place }) => place === "wire"));
  if (!twoNodes) return "node";
  return side === "clientNode" ? "client's node" : "server's node";
}

/** A part of a lane in which the message has the same addresses. */
export interface Addresses {
  first: number;
  columns: number;
  from: string | null;
  to: string | null;
  /** What changed at its beginning. */
  changed: "DNAT" | "SNAT" | null;
}

/** The request's addresses along a band's lane: they change where DNAT and SNAT happen. */
export function addressesOf(lane: BandLane, dnatBefore: boolean, snatBefore: boolean): Addresses[] {
  const { dnat, snat } = lane.lane.path;
  const parts: Addresses[] = [];
  let to = dnat ? (dnatBefore ? dnat.translated : dnat.original) : null;
  let from = snatBefore ? snat : null;
  let changed: Addresses["changed"] = null;
  for (const placed of lane.hops) {
    const part = parts[parts.length - 1];
    if (!part || changed) parts.push({ first: placed.column, columns: 1, from, to, changed });
    else part.columns = placed.column - part.first + 1;
    changed = null;
    if (placed.hop.dnat && dnat) [to, changed] = [dnat.translated, "DNAT"];
    if (placed.hop.snat && snat) [from, changed] = [snat, "SNAT"];
  }
  return parts;
}
