//! Counts exchanges and measures their times, by client and service.
//!
//! In: ended exchanges with their parties; the spans and paths of those that were exported. Out:
//! series by edge, and the times of hops by service. Bounded: edges and services beyond the bounds
//! share a series named `other`, and idle ones are dropped and counted.
//!
//! An exchange without spans costs the look-ups of its parties and of its series, and no
//! allocation. Hops are measured where there are spans, because only then paths are built.

use std::{collections::BTreeMap, sync::Arc};

use tracer_semconv::{HopName, Role};

use crate::{flow::Side, http::Exchange, identity::directory::PartyKey};

use super::{
    Context, EdgeEnd, Span,
    called_service::service,
    edge_label::EdgeLabel,
    exchange_times::{self, ExchangeTimes},
    half,
    histogram::{ExportedSpan, Histogram},
    parties::Parties,
    paths::Paths,
    request_result::RequestResult,
    series_table::SeriesTable,
};

/// Bound on edges with series of their own.
const MAX_EDGES: usize = 256;
/// Bound on services whose hops have series of their own.
const MAX_SERVICES: usize = 64;
/// How often idle series are looked for.
const LOOK_NS: u64 = 10 * 1_000_000_000;

/// What the exchanges of an edge took.
#[derive(Clone, Debug, Default)]
pub struct EdgeTimes {
    /// Exchanges by result, in the order of [`RequestResult::ALL`].
    pub requests: [u64; RequestResult::ALL.len()],
    /// From the client's first packet to the end of the response, of clients on this node.
    pub total: Histogram,
    /// Connect, request and response, without the time on other nodes and the body.
    pub data_plane: Histogram,
    /// From the SYN to the SYN-ACK.
    pub connect: Histogram,
    /// Until the server reads the request.
    pub request_queue: Histogram,
    /// Until the client reads the response.
    pub response_queue: Histogram,
}

/// What the hops on the way to a service and back took, by message and hop.
#[derive(Clone, Debug, Default)]
pub struct HopTimes(BTreeMap<(Role, HopName), Histogram>);

impl HopTimes {
    /// The hops that were seen, by message and name.
    pub fn hops(&self) -> impl Iterator<Item = (Role, HopName, &Histogram)> {
        let hops = self.0.iter();
        hops.map(|((role, hop), histogram)| (*role, *hop, histogram))
    }
}

/// The labels of an edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EdgeKey {
    /// The caller.
    pub client: EdgeLabel,
    /// The called service, as in `hopspan_failures_total` where kube-proxy's rules name it.
    pub service: EdgeLabel,
    /// The side on this node; the client's where both are.
    pub side: Side,
}

/// The series at one moment.
#[derive(Clone, Debug, Default)]
pub struct EdgeSnapshot {
    /// The name of this node.
    pub node: String,
    /// By edge, in no order.
    pub edges: Vec<(EdgeKey, Arc<EdgeTimes>)>,
    /// By called service, in no order.
    pub services: Vec<(EdgeLabel, Arc<HopTimes>)>,
    /// Edges whose series were dropped because they were idle.
    pub edges_dropped: u64,
    /// Services whose series of hops were dropped because they were idle.
    pub services_dropped: u64,
}

/// An ended exchange that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) sides: &'a [PartyKey; 2],
    pub(super) context: &'a Context<'a>,
    /// Its spans and its paths, if its spans were exported.
    pub(super) exported: Option<(&'a [Span], &'a Paths)>,
}

impl<'a> Measured<'a> {
    /// An exchange without spans; `sides` is
    /// [`SpanSource::sides`](super::SpanSource::sides).
    pub fn new(exchange: &'a Exchange, sides: &'a [PartyKey; 2], context: &'a Context<'a>) -> Self {
        Self {
            exchange,
            sides,
            context,
            exported: None,
        }
    }

    fn edge(&self, side: Side) -> EdgeKey {
        let (journey, context) = (&self.exchange.request.journey, self.context);
        let known = journey.translation();
        let original = known.map(|known| known.original.destination);
        let sent = (!journey.has_arrived()).then_some(journey.sent.destination);
        let parties = Parties::of(self.sides, original.or(sent), context.directory);
        let edge = parties.edge(self.sides, None);
        let ruled = service(journey, context.rules).map(EdgeEnd::Ruled);
        EdgeKey {
            client: EdgeLabel::of(edge.caller),
            service: EdgeLabel::of(ruled.unwrap_or(edge.called)),
            side,
        }
    }
}

impl EdgeKey {
    fn of_both(label: fn() -> EdgeLabel, side: Side) -> Self {
        Self {
            client: label(),
            service: label(),
            side,
        }
    }
}

/// The series of all edges.
#[derive(Debug)]
pub struct EdgeMetrics {
    is_per_edge: bool,
    now_ns: u64,
    looked_ns: u64,
    edges: SeriesTable<EdgeKey, EdgeTimes>,
    services: SeriesTable<EdgeLabel, HopTimes>,
}

impl Default for EdgeMetrics {
    fn default() -> Self {
        Self {
            is_per_edge: true,
            now_ns: 0,
            looked_ns: 0,
            edges: SeriesTable::new(MAX_EDGES),
            services: SeriesTable::new(MAX_SERVICES),
        }
    }
}

impl EdgeMetrics {
    /// Counts all exchanges as those of one edge, `all`.
    pub fn sum_edges(&mut self) {
        self.is_per_edge = false;
    }

    /// Advances the time, and drops idle series.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        if now_ns.saturating_sub(self.looked_ns) >= LOOK_NS {
            self.looked_ns = now_ns;
            self.edges.drop_idle(now_ns);
            self.services.drop_idle(now_ns);
        }
    }

    /// Takes an ended exchange.
    pub fn exchange(&mut self, measured: &Measured<'_>) {
        let exchange = measured.exchange;
        let side = exchange_times::side(exchange);
        let key = match self.is_per_edge {
            true => measured.edge(side),
            false => EdgeKey::of_both(EdgeLabel::all, side),
        };
        let mut spans = PathSpans::default();
        if let Some((exported, paths)) = measured.exported {
            let ended_ns = measured.context.clock.unix_ns(exchange.ended_ns());
            spans = PathSpans::of(exchange, exported, ended_ns);
            let service = key.service.clone();
            let other = |_| EdgeLabel::other();
            let hops = self.services.value(service, other, self.now_ns);
            hops.add(paths, &spans);
        }
        let other = |_| EdgeKey::of_both(EdgeLabel::other, side);
        let times = self.edges.value(key, other, self.now_ns);
        times.requests[RequestResult::of(exchange) as usize] += 1;
        times.add(ExchangeTimes::of(exchange), &spans);
    }

    /// The series as they are now.
    pub fn snapshot(&self, node: &str) -> EdgeSnapshot {
        EdgeSnapshot {
            node: node.to_owned(),
            edges: self.edges.snapshot(),
            services: self.services.snapshot(),
            edges_dropped: self.edges.dropped(),
            services_dropped: self.services.dropped(),
        }
    }
}

impl EdgeTimes {
    fn add(&mut self, times: ExchangeTimes, spans: &PathSpans) {
        for (histogram, duration_ns, span) in [
            (&mut self.total, times.total_ns, spans.request),
            (&mut self.data_plane, times.data_plane_ns, spans.request),
            (&mut self.connect, times.connect_ns, spans.connect),
            (
                &mut self.request_queue,
                times.request_queue_ns,
                spans.request,
            ),
            (
                &mut self.response_queue,
                times.response_queue_ns,
                spans.response,
            ),
        ] {
            if let Some(duration_ns) = duration_ns {
                histogram.add(duration_ns, span);
            }
        }
    }
}

impl HopTimes {
    fn add(&mut self, paths: &Paths, spans: &PathSpans) {
        for (role, path) in paths.all() {
            for hop in path.hops.iter().filter(|hop| hop.name != HopName::Body) {
                let histogram = self.0.entry((role, hop.name)).or_default();
                histogram.add(hop.duration_ns(), spans.of_role(role));
            }
        }
    }
}

/// The exported spans of the paths of one exchange.
#[derive(Default)]
struct PathSpans {
    connect: Option<ExportedSpan>,
    request: Option<ExportedSpan>,
    response: Option<ExportedSpan>,
}

impl PathSpans {
    fn of(exchange: &Exchange, spans: &[Span], at_unix_ns: u64) -> Self {
        let half = half::of(exchange);
        let of_role = |role| {
            let name = half::path_name(role, half);
            let span = spans.iter().find(|span| span.name == name)?;
            Some(ExportedSpan {
                trace_id: span.trace_id,
                span_id: span.span_id,
                at_unix_ns,
            })
        };
        Self {
            connect: of_role(Role::Connect),
            request: of_role(Role::Request),
            response: of_role(Role::Response),
        }
    }

    fn of_role(&self, role: Role) -> Option<ExportedSpan> {
        match role {
            Role::Connect => self.connect,
            Role::Request => self.request,
            Role::Response => self.response,
            Role::Exchange | Role::Hop => None,
        }
    }
}

#[cfg(test)]
mod tests;
