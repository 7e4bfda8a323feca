/** The path picture: an exchange's messages, hop by hop, there above and back below. */

import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { Failure } from "./bar";
import { duration, share } from "./format";
import { dropInWords, hopInWords, type Lane } from "./hops";
import { NARROW, useMedia } from "./hooks";
import type { ExchangeView, PathView, TraceView } from "./model";
import { addressesOf, picturesOf, type Band, type BandLane, type Picture, type PlaceColumns, type PlacedHop } from "./path_layout";

interface Props {
  view: TraceView;
  /** Which to show until the reader chooses another. */
  exchange: number;
  selected: number | null;
  onSelect: (span: number) => void;
}

export function PathPictures({ view, exchange, selected, onSelect }: Props) {
  const [chosen, setChosen] = useState<{ for: number; exchange: number } | null>(null);
  const at = chosen && chosen.for === exchange ? chosen.exchange : exchange;
  const shown = view.exchanges[at];
  if (!shown) return null;
  return (
    <>
      <div class="sectionTop">
        <h2 id="pictures-title">Path picture</h2>
        <select aria-label="Exchange" value={at} onChange={(event) => setChosen({ for: exchange, exchange: Number(event.currentTarget.value) })}>
          {view.exchanges.map((one, index) => <option key={index} value={index}>{exchangeInWords(one, view)}</option>)}
        </select>
        <p class="legend"><span>Boxes are in order of time, not to scale; the bar in a box is its share of its message's way. The longest has a heavy border.</span></p>
      </div>
      {picturesOf(shown).map((picture) => <PictureView key={picture.title} picture={picture} view={view} exchange={shown} selected={selected} onSelect={onSelect} />)}
    </>
  );
}

function exchangeInWords(exchange: ExchangeView, view: TraceView): string {
  const span = exchange.paths[0] === undefined ? undefined : view.spans[exchange.paths[0].span];
  const parent = span?.parent === null || span === undefined ? undefined : view.spans[span.parent];
  const name = parent && parent.layer === "application" ? ` ${parent.name}` : "";
  const drop = exchange.paths.some(({ drop, refusal }) => drop || refusal) ? " ✕" : "";
  const at = span ? `, at ${duration(span.startNs, 3)}` : "";
  return `${exchange.client} → ${exchange.server}${name}${at}${drop}`;
}

interface PictureProps {
  picture: Picture;
  view: TraceView;
  exchange: ExchangeView;
  selected: number | null;
  onSelect: (span: number) => void;
}

function PictureView({ picture, view, exchange, selected, onSelect }: PictureProps) {
  const paths = exchange.paths.filter(({ role }) => (role === "connect") === (picture.title === "connect"));
  const narrow = useMedia(NARROW);
  const spanOf = (role: PathView["role"]) => view.spans[paths.find((path) => path.role === role)?.span ?? -1];
  const [request, response] = [spanOf("request"), spanOf("response")];
  const between = request && response ? response.startNs - request.startNs - request.durationNs : null;
  const turn = between !== null && between >= 0 ? between : null;
  return (
    <article class="picture" aria-label={picture.title}>
      <h3>
        {picture.title === "connect" ? "Connect" : "Request and response"}
        {paths.map((path) => <span key={path.span} class="muted"> · {path.role} {duration(view.spans[path.span]?.durationNs ?? 0)}</span>)}
      </h3>
      {paths.map((path) => <PathFacts key={path.span} path={path} />)}
      {picture.bands.map((band, index) => (
        <BandView key={index} band={band} first={index === 0} last={index === picture.bands.length - 1} turn={turn} narrow={narrow} exchange={exchange} selected={selected} onSelect={onSelect} />
      ))}
    </article>
  );
}

/** What went wrong or was not seen, in words. */
function PathFacts({ path }: { path: PathView }) {
  const { drop, refusal, incomplete, retransmits, role } = path;
  return (
    <>
      {drop && (
        <p><Failure text={`${role}: ${dropInWords(drop)}`} /></p>
      )}
      {refusal !== null && <p><Failure text={`kube-proxy's rules refuse it: ${refusal}`} /></p>}
      {retransmits > 0 && <p class="warn">{role}: TCP sent {retransmits === 1 ? "a packet again once" : `packets again ${retransmits} times`}.</p>}
      {incomplete !== null && <p class="warn">{role}: not seen: {incomplete}.</p>}
    </>
  );
}

interface BandProps {
  band: Band;
  first: boolean;
  last: boolean;
  /** The time between request and response. */
  turn: number | null;
  narrow: boolean;
  exchange: ExchangeView;
  selected: number | null;
  onSelect: (span: number) => void;
}

function BandView({ band, first, last, turn, narrow, exchange, selected, onSelect }: BandProps) {
  const columns: JSX.CSSProperties = narrow ? {} : { gridTemplateColumns: `repeat(${band.columns}, minmax(72px, 1fr))` };
  return (
    <div class="bandScroll" role="group" aria-label={band.places.map(({ title }) => title).join(", ")}>
      <div class="band" style={columns}>
        {!narrow && band.places.map((place) => (
          <div key={place.side} class={`place ${place.side}`} style={{ gridColumn: `${place.first} / span ${place.columns}`, gridRow: `1 / span ${1 + 3 * band.lanes.length}` }}>
            <span class="placeTitle" title={place.title}>{place.title}</span>
          </div>
        ))}
        {band.lanes.map((lane, index) => [
          index > 0 && turn !== null && <TurnRound key={`turn-${index}`} ns={turn} place={band.places.find(({ side }) => side === "server")} row={1 + 3 * index} narrow={narrow} />,
          <LaneView key={index} lane={lane} row={2 + 3 * index} bandFirst={first} bandLast={last} band={band} narrow={narrow} exchange={exchange} selected={selected} onSelect={onSelect} />,
        ])}
      </div>
    </div>
  );
}

/** The time between the request's last hop and the response's first: the server's. */
function TurnRound({ ns, place, row, narrow }: { ns: number; place: PlaceColumns | undefined; row: number; narrow: boolean }) {
  if (!place) return null;
  return (
    <div class="turn" style={narrow ? {} : { gridColumn: `${place.first} / span ${place.columns}`, gridRow: row }}>
      <b>{duration(ns)}</b> until it answers
    </div>
  );
}

interface LaneProps {
  lane: BandLane;
  /** Of its addresses; its hops are in the next. */
  row: number;
  bandFirst: boolean;
  bandLast: boolean;
  band: Band;
  narrow: boolean;
  exchange: ExchangeView;
  selected: number | null;
  onSelect: (span: number) => void;
}

function LaneView({ lane, row, bandFirst, bandLast, band, narrow, exchange, selected, onSelect }: LaneProps) {
  const { path, forward, message } = lane.lane;
  const longest = lane.lane.regions.flatMap(({ hops }) => hops).reduce((most, hop) => Math.max(most, hop.durationNs), 0);
  // The hops are those of the packet that arrived after another one was lost.
  const lost = forward && path.drop && !path.hops.some(({ dropped }) => dropped) ? path.hops.find(({ name }) => name === path.drop?.hop) : undefined;
  const before = forward ? !bandFirst : !bandLast;
  const dnatDone = before && path.hops.some(({ dnat }) => dnat);
  const snatDone = before && path.hops.some(({ snat }) => snat);
  const ruleHop = forward && path.rule.length > 0 ? (lane.hops.find(({ hop }) => hop.dnat) ?? lane.hops.find(({ hop }) => hop.dropped) ?? firstNetfilter(lane, path)) : undefined;
  const end = forward ? bandLast : bandFirst;
  return (
    <>
      {narrow && <h4 class="laneTitle">{forward ? "↓" : "↑"} {message}, {lane.lane.from} → {lane.lane.to}</h4>}
      {forward
        ? addressesOf(lane, dnatDone, snatDone).map((part, index, all) => (
            <div key={`address-${index}`} class={`addresses forward${index === all.length - 1 && end ? " arrives" : ""}${part.changed ? " changed" : ""}`} style={narrow ? {} : { gridColumn: `${part.first} / span ${part.columns}`, gridRow: row }}>
              {index === 0 && <b class="message">{message} →{before ? " (continued)" : ""}</b>}
              {part.changed !== null && <b class="nat">{part.changed}</b>}
              {part.to !== null && part.changed !== "SNAT" && <span>to {part.to}</span>}
              {part.from !== null && part.changed !== "DNAT" && <span>from {part.from}</span>}
            </div>
          ))
        : lane.hops.length > 0 && (
            <div class={`addresses backward${end ? " arrives" : ""}`} style={narrow ? {} : { gridColumn: `1 / span ${band.columns}`, gridRow: row + 2 }}>
              <AnswerAddresses lane={lane.lane} exchange={exchange} />
              <b class="message">{before ? "(continued) " : ""}← {message}</b>
            </div>
          )}
      {lane.hops.map((placed) => (
        <HopBox
          key={placed.hop.span + placed.column / 1000} placed={placed} lane={lane} row={row + 1} narrow={narrow}
          longest={placed.hop.durationNs === longest && longest > 0} selected={selected} onSelect={onSelect} lost={placed.hop === lost}
          rule={placed === ruleHop && narrow ? <Rule path={path} /> : null}
        />
      ))}
      {lane.unreached && (
        <div class="unreached" style={narrow ? {} : { gridColumn: `${lane.unreached.first} / span ${lane.unreached.columns}`, gridRow: row + 1 }}>
          {narrow && `${lane.unreached.title}: `}not reached
        </div>
      )}
      {ruleHop && !narrow && (
        <div class="rule" style={{ gridColumn: ruleColumns(ruleHop.column, band.columns), gridRow: row + 2 }}><Rule path={path} /></div>
      )}
    </>
  );
}

function firstNetfilter(lane: BandLane, path: PathView): PlacedHop | undefined {
  if (path.hops[0] !== lane.hops[0]?.hop) return undefined;
  return lane.hops.find(({ hop }) => hop.name === "netfilter.output" || hop.name === "netfilter.prerouting");
}

/** Below its hop and to the right of it, if there is room. */
function ruleColumns(column: number, columns: number): string {
  const wanted = Math.min(6, columns);
  return `${Math.max(1, Math.min(column, columns - wanted + 1))} / span ${wanted}`;
}

/** The answer comes from the chosen pod, and the client gets it from the address that it called. */
function AnswerAddresses({ lane, exchange }: { lane: Lane; exchange: ExchangeView }) {
  const dnat = lane.path.dnat ?? exchange.paths.find(({ dnat }) => dnat)?.dnat ?? null;
  if (!dnat) return null;
  return <span>from {dnat.translated}, received as from {dnat.original}</span>;
}

function Rule({ path }: { path: PathView }) {
  const { rule, choice, refusal } = path;
  return (
    <span class="ruleText">
      <span class="muted">rule: </span>
      {rule.map((chain, index) => (
        <span key={index}>{index > 0 && <span class="muted"> › </span>}<code>{chain}</code></span>
      ))}
      {choice && choice.endpoints > 0 && <span class="choice"> {choiceInWords(choice)}</span>}
      {refusal !== null && <> <Failure text={refusal} /></>}
    </span>
  );
}

export function choiceInWords({ endpoints, probability }: { endpoints: number; probability: number }): string {
  if (endpoints === 1) return "the only endpoint";
  const others = endpoints - 1;
  return `1 of ${endpoints} endpoints, each with probability ${probability.toFixed(2)}; ${others === 1 ? "the other was" : `the other ${others} were`} not chosen`;
}

interface HopProps {
  placed: PlacedHop;
  lane: BandLane;
  row: number;
  narrow: boolean;
  longest: boolean;
  /** Another packet of the message was lost here. */
  lost: boolean;
  selected: number | null;
  onSelect: (span: number) => void;
  rule: JSX.Element | null;
}

function HopBox({ placed, lane, row, narrow, longest, lost, selected, onSelect, rule }: HopProps) {
  const { hop, column } = placed;
  const { message, startNs, durationNs, forward } = lane.lane;
  const at = hop.startNs - startNs;
  const [family, part] = hop.name.split(/\.(.*)/s);
  const words = `${hopInWords(hop.name)}; ${share(hop.durationNs, durationNs)} of the ${message}'s way`;
  const classes = ["hopBox", forward ? "forward" : "backward", longest ? "longest" : "", hop.dropped || lost ? "dropped" : "", hop.span === selected ? "selected" : "", placed.last ? "last" : ""];
  return (
    <>
      {narrow && placed.enters !== null && <div class="placeHere">{placed.enters}</div>}
      <button type="button" class={classes.join(" ")} style={narrow ? {} : { gridColumn: column, gridRow: row }} title={`${hop.name}: ${words}`} aria-pressed={hop.span === selected} onClick={() => onSelect(hop.span)}>
        <span class="hopName">
          {part === undefined ? <b>{hop.name}</b> : <><span>{family}</span><wbr /><b>.{part}</b></>}
          {hop.dropped && <span class="dropMark"><span aria-hidden="true">✕</span> dropped</span>}
          {lost && <span class="dropMark"><span aria-hidden="true">✕</span> lost one</span>}
          {hop.dnat && <span class="natMark">DNAT</span>}
          {hop.snat && <span class="natMark">SNAT</span>}
        </span>
        <span class="hopInterface">{hop.interface ?? ""}</span>
        <span class="hopTime">{duration(hop.durationNs)}</span>
        <span class="hopAt">at {at === 0 ? "0" : duration(at, 3)}</span>
        <span class="hidden">{words}</span>
        <span class="hopShare" aria-hidden="true"><span class="fill hop" style={{ width: `${durationNs > 0 ? Math.min(100, (hop.durationNs / durationNs) * 100) : 0}%` }} /></span>
      </button>
      {rule !== null && <div class="rule">{rule}</div>}
    </>
  );
}
