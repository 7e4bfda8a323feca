//! The spans of a failed connect.
//!
//! In: the failed connect, and its correlation with requests. Out: a connect span with its hops.
//! With a single candidate it is in that request's trace, below the client's span of that request
//! and beside the server's; otherwise in a trace of its own, with a link to the client's span of
//! each candidate.

use std::borrow::Cow;

use nix::errno::Errno;
use opentelemetry_semantic_conventions::attribute as semconv;
use sha2::{Digest as _, Sha256};
use tracer_semconv::{Role, correlation, error, incomplete};

use crate::{
    flow,
    http::{
        Connect, FailedConnect, Leg, Served,
        trace_context::{SpanId, TraceContext, TraceId},
    },
    identity::{directory, served_requests::Correlation},
    kube_proxy::{Protocol, Reason, Refusal},
    path::Path,
};

use super::{
    Context, Edge, Link, Span,
    attribute::{Attribute, key},
    detail_choice::DetailChoice,
    half, http_attributes,
    id::{NO_SPAN, derive},
    nat::Nat,
    parties::{Parties, sides_of},
    paths::connect_path,
    span_builder::{PathFacts, SpanBuilder},
};

/// Bound on links of one span; OpenTelemetry's default (OTEL_SPAN_LINK_COUNT_LIMIT).
const MAX_LINKS: usize = 128;
const SAMPLED: u8 = 1;

/// Client and server, from the journey of the SYN or, where there is none, from the socket.
pub(super) fn sides(failed: &FailedConnect) -> [directory::PartyKey; 2] {
    let socket = &failed.socket;
    let of_socket = |address, cgroup, listens| directory::PartyKey {
        socket: address,
        cgroup,
        netns: 0,
        listens,
        at_ns: socket.began_ns,
    };
    let Some(connect) = &failed.connect else {
        return [
            of_socket(socket.sent.source, socket.cgroup, false),
            of_socket(socket.sent.destination, 0, true),
        ];
    };
    let [mut source, destination] = sides_of(&connect.syn.journey);
    if source.cgroup == 0 {
        source.cgroup = socket.cgroup;
    }
    [source, destination]
}

/// A failed connect with its parties, and its translation or refusal.
#[derive(Debug)]
pub struct NamedConnect<'a> {
    pub(super) failed: &'a FailedConnect,
    correlation: &'a Correlation,
    pub(super) sides: &'a [directory::PartyKey; 2],
    pub(super) context: &'a Context<'a>,
    pub(super) nat: Option<Nat<'a>>,
    pub(super) refusal: Option<&'a Refusal>,
    pub(super) parties: Parties<'a>,
    /// From the call to the failure.
    pub(super) path: Path,
}

impl<'a> NamedConnect<'a> {
    /// Looks up parties, translation and refusal; `sides` is
    /// [`SpanSource::sides`](super::SpanSource::sides).
    pub fn new(
        failed: &'a FailedConnect,
        correlation: &'a Correlation,
        sides: &'a [directory::PartyKey; 2],
        context: &'a Context<'a>,
    ) -> Self {
        let syn = failed.connect.as_ref().map(|connect| &connect.syn.journey);
        let nat = syn.and_then(|journey| Nat::of(journey, context.rules));
        let asked = nat
            .as_ref()
            .map_or(failed.socket.sent.destination, Nat::original);
        let refusal = match nat {
            Some(_) => None,
            None => refusal(failed, context),
        };
        Self {
            failed,
            correlation,
            sides,
            context,
            nat,
            refusal,
            parties: Parties::of(sides, Some(asked), context.directory),
            path: path(failed, context),
        }
    }

    /// The caller and the service that it meant.
    pub fn edge(&self) -> Edge {
        let decided = self.nat.as_ref().and_then(Nat::decision);
        let decided = decided.map(|decision| &decision.service);
        self.parties.edge(self.sides, decided)
    }

    /// Builds the spans, the connect first.
    pub fn spans(&self, detail: &DetailChoice) -> Vec<Span> {
        let (failed, correlation, context) = (self.failed, self.correlation, self.context);
        let joined = self.joined();
        let trace_id = self.trace_id();
        let parent = joined.map_or(NO_SPAN, |served| served.trace.parent_id);
        let mut builder = SpanBuilder {
            trace: TraceContext {
                trace_id,
                // Derived from this connect: one request may make several.
                parent_id: seed(failed, trace_id, parent, context.node),
                flags: SAMPLED,
            },
            parent,
            trace_state: joined.and_then(|served| served.tracestate.as_ref()),
            seq: 0,
            context,
            nat: self.nat.as_ref(),
            refusal: self.refusal,
            parties: &self.parties,
            half: failed.connect.as_ref().and_then(half::of_connect),
            hop_spans: detail.of_failure(),
            workload: None,
            spans: Vec::new(),
        };
        builder.failed_connect(failed, correlation, &self.path);
        let mut spans = builder.spans;
        if let Some(connect) = spans.first_mut() {
            connect.links = links(correlation);
        }
        spans
    }

    /// The request that the connect was made for, where there is one candidate.
    fn joined(&self) -> Option<&'a Served> {
        match self.correlation {
            Correlation::Inferred(served) => Some(served),
            Correlation::None | Correlation::Ambiguous(_) => None,
        }
    }

    /// The trace of that request, or one of its own.
    pub(super) fn trace_id(&self) -> TraceId {
        self.joined().map_or_else(
            || trace_id(self.failed, self.context.node),
            |served| served.trace.trace_id,
        )
    }
}

impl SpanBuilder<'_> {
    /// Adds the connect span, from the call to the failure, and the hops of its SYN.
    fn failed_connect(&mut self, failed: &FailedConnect, correlation: &Correlation, path: &Path) {
        let legs: Vec<&Leg> = failed.connect.iter().flat_map(Connect::legs).collect();
        let mut attributes = attributes(failed, correlation, self.refusal);
        self.connection_attributes(&mut attributes);
        let facts = PathFacts {
            attributes,
            events: Vec::new(),
            incomplete: legs.is_empty().then_some(incomplete::PATH.into()),
            error: Some(error_type(failed)),
        };
        self.path(self.parent, Role::Connect, &legs, path, facts);
    }
}

/// The path from the call to the failure.
fn path(failed: &FailedConnect, context: &Context<'_>) -> Path {
    let socket = &failed.socket;
    let mut path = match &failed.connect {
        Some(connect) => connect_path(connect, context),
        None => Path::unseen(socket.began_ns),
    };
    path.start_at(socket.began_ns);
    // A packet may be dropped long before the connect fails.
    path.end_ns = path.end_ns.max(socket.at_ns);
    path
}

/// The attributes that only failed connects have.
fn attributes(
    failed: &FailedConnect,
    correlation: &Correlation,
    refusal: Option<&Refusal>,
) -> Vec<Attribute> {
    let [source, destination] = sides(failed).map(|side| side.socket);
    let mut attributes = vec![
        Attribute::text(semconv::NETWORK_TRANSPORT, "tcp"),
        Attribute::text(semconv::SOURCE_ADDRESS, source.ip().to_string()),
        Attribute::int(semconv::SOURCE_PORT, source.port()),
        Attribute::text(semconv::DESTINATION_ADDRESS, destination.ip().to_string()),
        Attribute::int(semconv::DESTINATION_PORT, destination.port()),
        Attribute::int(key::SOURCE_PROCESS_PID, failed.socket.tgid),
        Attribute::text(semconv::ERROR_TYPE, error_type(failed)),
    ];
    if failed.socket.error.is_none() && !failed.had_no_port() {
        let client = http_attributes::side(flow::Side::Client);
        attributes.push(Attribute::text(key::CLOSED_BY, client));
    }
    let known = match correlation {
        Correlation::None => None,
        Correlation::Inferred(_) => Some(correlation::INFERRED),
        Correlation::Ambiguous(_) => Some(correlation::AMBIGUOUS),
    };
    attributes.extend(known.map(|known| Attribute::text(key::CORRELATION, known)));
    if let Some(refusal) = refusal {
        attributes.extend([
            Attribute::text(key::KUBE_PROXY_SERVICE, refusal.service.to_string()),
            Attribute::text(key::KUBE_PROXY_RULE, refusal.chains.join(" > ")),
            Attribute::text(key::KUBE_PROXY_REFUSAL, refusal.reason.to_string()),
        ]);
    }
    attributes
}

/// The refusal by kube-proxy's rules, for a connection that they did not translate. `None` for a
/// portal that refuses only some sources, because this client may be allowed.
fn refusal<'r>(failed: &FailedConnect, context: &Context<'r>) -> Option<&'r Refusal> {
    let asked = failed.socket.sent.destination;
    let refusal = context.rules.refusal(asked, Protocol::Tcp)?;
    (refusal.reason != Reason::SourceNotAllowed).then_some(refusal)
}

/// The value of `error.type`, the same as for exchanges where the cause is the same.
pub(super) fn error_type(failed: &FailedConnect) -> Cow<'static, str> {
    let Some(error) = failed.socket.error else {
        // The application closed the socket; here it is only known that no answer had come.
        let is_silence = !failed.had_no_port();
        return if is_silence {
            error::TIMEOUT
        } else {
            error::ADDRESS_NOT_AVAILABLE
        }
        .into();
    };
    let errno = Errno::from_raw(error.cast_signed());
    match errno {
        Errno::ECONNREFUSED => error::CONNECTION_REFUSED.into(),
        Errno::ECONNRESET | Errno::EPIPE => error::CONNECTION_RESET.into(),
        Errno::ETIMEDOUT => error::TIMEOUT.into(),
        Errno::EHOSTUNREACH => error::HOST_UNREACHABLE.into(),
        Errno::ENETUNREACH => error::NETWORK_UNREACHABLE.into(),
        Errno::UnknownErrno => error.to_string().into(),
        errno => format!("{errno:?}").into(),
    }
}

fn links(correlation: &Correlation) -> Vec<Link> {
    let Correlation::Ambiguous(requests) = correlation else {
        return Vec::new();
    };
    let link = |served: &Served| Link {
        trace_id: served.trace.trace_id,
        trace_state: served.tracestate.clone(),
        span_id: served.trace.parent_id,
    };
    requests.iter().take(MAX_LINKS).map(link).collect()
}

/// Text that is unique to this connect on this node.
fn identity(failed: &FailedConnect, node: &str) -> String {
    let socket = &failed.socket;
    format!(
        "failed connect {node} {} {}",
        socket.cookie, socket.began_ns
    )
}

fn seed(failed: &FailedConnect, trace_id: TraceId, parent_id: SpanId, node: &str) -> SpanId {
    let trace = TraceContext {
        trace_id,
        parent_id,
        flags: SAMPLED,
    };
    derive(&trace, 0, identity(failed, node))
}

fn trace_id(failed: &FailedConnect, node: &str) -> TraceId {
    let mut hash = Sha256::new();
    hash.update("hopspan ");
    hash.update(identity(failed, node));
    hash.update(failed.socket.sent.destination.to_string());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    // All zero is no trace id (W3C Trace Context, section 3.2.2.3).
    id[15] |= u8::from(id == [0; 16]);
    TraceId(id)
}

#[cfg(test)]
mod tests;
