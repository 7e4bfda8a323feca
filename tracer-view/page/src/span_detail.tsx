/** The selected span: what it is, its attributes, events and links. */

import { Failure, Swatch } from "./bar";
import { duration, share } from "./format";
import { hopInWords } from "./hops";
import type { SpanView, TraceView } from "./model";
import { traceHref } from "./route";
import { isDataPlane } from "./rows";

export function SpanDetail({ view, span: at, set, onClose }: { view: TraceView; span: number; set: string; onClose: () => void }) {
  const span = view.spans[at];
  if (!span) return null;
  const parent = span.parent === null ? undefined : view.spans[span.parent];
  const whole = span.role === "hop" && parent ? parent.durationNs : view.row.durationNs;
  return (
    <aside class="detail" aria-labelledby="detail-title">
      <div class="detailTop">
        <h2 id="detail-title">{span.name}</h2>
        <button type="button" class="quiet" onClick={onClose} aria-label="Close the span" title="Close (Esc)">✕</button>
      </div>
      <p class="muted"><Swatch kind={isDataPlane(span) ? (span.role === "hop" ? "hop" : "dataPlane") : "application"} /> {kindInWords(span)}</p>
      {span.role === "hop" && <p>{hopInWords(span.name)}</p>}
      {span.failure !== null && <p><Failure text={span.failure} /></p>}
      {span.notes.length > 0 && <ul class="notes">{span.notes.map((note, index) => <li key={index}>{note}</li>)}</ul>}
      {span.detached !== null && <p class="warn">{span.detached}</p>}
      <dl class="facts">
        <div><dt>duration</dt><dd>{duration(span.durationNs)} <span class="muted">{share(span.durationNs, whole)} of {span.role === "hop" ? "its path" : "the trace"}</span></dd></div>
        <div><dt>starts at</dt><dd>{duration(span.startNs)}</dd></div>
        {span.service !== "" && <div><dt>service</dt><dd>{span.service}</dd></div>}
        {span.id !== "" && <div><dt>span id</dt><dd><code>{span.id}</code></dd></div>}
      </dl>
      {span.events.length > 0 && (
        <>
          <h3>Events</h3>
          {span.events.map((event, index) => (
            <div key={index} class="event">
              <p><b>{event.name}</b> <span class="muted">at {duration(event.atNs)}</span></p>
              <Attributes of={event.attributes} />
            </div>
          ))}
        </>
      )}
      {span.links.length > 0 && (
        <>
          <h3>Links</h3>
          {span.links.map((link, index) => (
            <div key={index} class="event">
              <p>
                <a href={traceHref(set, link.trace, { span: link.span })}>
                  {link.trace === view.row.id ? "span " : "trace "}<code>{link.trace === view.row.id ? link.span : link.trace}</code>
                </a>
              </p>
              <Attributes of={link.attributes} />
            </div>
          ))}
        </>
      )}
      <h3>Attributes</h3>
      {span.attributes.length > 0 ? <Attributes of={span.attributes} /> : <p class="muted">{span.role === "hop" ? "None: the hop is a part of its path's attribute hopspan.hops." : "None."}</p>}
      {span.resource.length > 0 && (
        <details>
          <summary>Resource</summary>
          <Attributes of={span.resource} />
        </details>
      )}
    </aside>
  );
}

function Attributes({ of }: { of: [string, string][] }) {
  if (of.length === 0) return null;
  return <dl class="attributes">{of.map(([key, value], at) => <div key={at}><dt>{key}</dt><dd>{value}</dd></div>)}</dl>;
}

function kindInWords(span: SpanView): string {
  if (!isDataPlane(span)) return span.kind === "other" ? "application span" : `application span, ${span.kind}`;
  if (span.role === "hop") return "hop of the data plane";
  return span.role === "exchange" ? "exchange: a request and its response" : "path through the data plane";
}
