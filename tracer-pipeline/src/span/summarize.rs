//! Makes the [`Summary`] of an exchange or failed connect.
//!
//! In: what is known of it by name. Out: a summary that borrows it. The values are those of the spans;
//! a test compares them.

use std::{borrow::Cow, net::SocketAddr};

use tracer_semconv::{Role, drop, incomplete};

use crate::{
    flow::Side,
    http::{Connect, Leg, UrlPaths, head::Method, trace_context::TraceId},
    identity::directory::Party,
    kube_proxy::{Decision, Refusal},
    path::{PacketDrop, Path},
};

use super::{
    Context,
    exchange::unseen_of_response,
    exchange_times::ExchangeTimes,
    exchange_trace::ExchangeTrace,
    failed_connect::{self, NamedConnect},
    half, http_attributes,
    named_exchange::NamedExchange,
    nat::Nat,
    parties::Parties,
    span_builder::missing,
    summary::{
        Summary, SummaryDrop, SummaryEnd, SummaryHop, SummaryKind, SummaryNat, SummaryPath,
        SummaryRule,
    },
};

impl NamedExchange<'_> {
    /// The summary; `trace` is the trace of its spans, if it has any.
    pub fn summary(&self, trace: Option<ExchangeTrace>) -> Summary<'_> {
        let (exchange, context) = (self.exchange, self.context);
        let (asked, paths) = (&exchange.asked, self.paths());
        let answered = exchange.answered.unwrap_or_default();
        let started_ns = exchange.started_ns();
        let legs: Vec<&Leg> = exchange.legs().collect();
        let parts = Parts {
            context,
            parties: &self.parties,
            nat: self.nat.as_ref(),
            refusal: None,
            client: exchange.request.journey.client(),
            server: self.sides[1].socket,
        };
        let mut unseen = Vec::new();
        unseen.extend(asked.is_incomplete.then_some(incomplete::REQUEST_HEAD));
        if exchange.response.is_some() {
            unseen.extend(unseen_of_response(exchange));
        } else if !exchange.has_failed() {
            unseen.push(incomplete::RESPONSE);
        }
        let path = |(role, path)| summary_path(role, path, started_ns);
        Summary {
            kind: SummaryKind::Exchange,
            total_ns: exchange.ended_ns().saturating_sub(started_ns),
            data_plane_ns: ExchangeTimes::of(exchange).data_plane_ns,
            half: half::of(exchange).map(|side| http_attributes::side(side).into()),
            http_version: asked.version.map(Cow::Borrowed),
            method: asked.method.as_ref().map(method),
            path: match context.url_paths {
                UrlPaths::Off => None,
                UrlPaths::Full => asked.path.as_deref().map(Cow::Borrowed),
                UrlPaths::Template => http_attributes::template(asked),
            },
            status: answered.status,
            grpc_status: answered.grpc_status,
            error: http_attributes::error_type(exchange),
            incomplete: parts.incomplete(unseen, &legs),
            paths: paths.all().map(path).collect(),
            ..parts.summary(started_ns, trace.map(|trace| trace.seed().trace_id), &legs)
        }
    }
}

impl NamedConnect<'_> {
    /// The summary.
    pub fn summary(&self) -> Summary<'_> {
        let (failed, context) = (self.failed, self.context);
        let [client, server] = [0, 1].map(|side| self.sides[side].socket);
        let began_ns = failed.socket.began_ns;
        let path = &self.path;
        let legs: Vec<&Leg> = failed.connect.iter().flat_map(Connect::legs).collect();
        let parts = Parts {
            context,
            parties: &self.parties,
            nat: self.nat.as_ref(),
            refusal: self.refusal,
            client,
            server,
        };
        let unseen = legs.is_empty().then_some(incomplete::PATH);
        let half = failed.connect.as_ref().and_then(half::of_connect);
        Summary {
            kind: SummaryKind::FailedConnect,
            total_ns: path.end_ns.saturating_sub(began_ns),
            half: half.map(|side| http_attributes::side(side).into()),
            error: Some(failed_connect::error_type(failed)),
            incomplete: parts.incomplete(Vec::from_iter(unseen), &legs),
            paths: vec![summary_path(Role::Connect, path, began_ns)],
            ..parts.summary(began_ns, Some(self.trace_id()), &legs)
        }
    }
}

/// What exchanges and failed connects have alike.
struct Parts<'a> {
    context: &'a Context<'a>,
    parties: &'a Parties<'a>,
    nat: Option<&'a Nat<'a>>,
    refusal: Option<&'a Refusal>,
    client: SocketAddr,
    server: SocketAddr,
}

impl<'a> Parts<'a> {
    /// A summary of the connection, its trace and its packets.
    fn summary(&self, started_ns: u64, trace: Option<TraceId>, legs: &[&Leg]) -> Summary<'a> {
        let retransmits: usize = legs.iter().map(|leg| leg.earlier.len()).sum();
        let dropped = legs.iter().filter_map(|leg| leg.dropped());
        let dropped = dropped.max_by_key(|journey| journey.start_ns);
        let lost = dropped.and_then(|journey| self.context.packet_drop(journey));
        Summary {
            kind: SummaryKind::Exchange,
            start_unix_ns: self.context.clock.unix_ns(started_ns),
            total_ns: 0,
            data_plane_ns: None,
            trace_id: trace.map(|trace| trace.to_string().into()),
            half: None,
            client: end(self.client, self.parties.party(Side::Client)),
            service: self.service(),
            server: end(self.server, self.parties.party(Side::Server)),
            http_version: None,
            method: None,
            path: None,
            status: None,
            grpc_status: None,
            error: None,
            drop: lost.map(summary_drop),
            retransmits: u32::try_from(retransmits).unwrap_or(u32::MAX),
            incomplete: Vec::new(),
            nat: self.nat.map(summary_nat),
            kube_proxy: self.rule(),
            paths: Vec::new(),
        }
    }

    fn decision(&self) -> Option<&'a Decision> {
        self.nat.and_then(Nat::decision)
    }

    /// As the API has it, else by kube-proxy's rules.
    fn service(&self) -> Option<Cow<'a, str>> {
        if let Some((namespace, name)) = self.parties.service() {
            return Some(format!("{namespace}/{name}").into());
        }
        let decided = self.decision().map(|decision| &*decision.service);
        let refused = self.refusal.map(|refusal| &*refusal.service);
        decided.or(refused).map(Cow::Borrowed)
    }

    fn rule(&self) -> Option<SummaryRule<'a>> {
        let decided = self.decision().map(|decision| SummaryRule {
            service: Cow::Borrowed(&decision.service),
            rule: decision.chain_path().into(),
            portal: Some(decision.portal.as_str().into()),
            refusal: None,
        });
        let refused = || {
            self.refusal.map(|refusal| SummaryRule {
                service: Cow::Borrowed(&refusal.service),
                rule: refusal.chains.join(" > ").into(),
                portal: None,
                refusal: Some(refusal.reason.to_string().into()),
            })
        };
        decided.or_else(refused)
    }

    /// The parts that were not seen, each once.
    fn incomplete(&self, mut unseen: Vec<&'static str>, legs: &[&Leg]) -> Vec<Cow<'a, str>> {
        for part in legs.iter().filter_map(|leg| missing(&[*leg])) {
            if !unseen.contains(&part) {
                unseen.push(part);
            }
        }
        unseen.into_iter().map(Cow::Borrowed).collect()
    }
}

/// The method as it was sent: `_OTHER` says little to a reader.
fn method(method: &Method) -> Cow<'_, str> {
    method.original().unwrap_or(method.as_str()).into()
}

fn end<'a>(socket: SocketAddr, party: &Party<'a>) -> SummaryEnd<'a> {
    let pod = party.pod;
    let container = party
        .container
        .map(|container| container.name.as_ref().unwrap_or(&container.id));
    let workload = pod.and_then(|pod| pod.workload.as_ref());
    SummaryEnd {
        address: socket.to_string().into(),
        pod: pod.and_then(|pod| pod.name.as_deref()).map(Cow::Borrowed),
        namespace: pod
            .and_then(|pod| pod.namespace.as_deref())
            .map(Cow::Borrowed),
        workload: workload.map(|(_, name)| Cow::Borrowed(&**name)),
        container: container.map(|name| Cow::Borrowed(&**name)),
        node: party.node.map(|node| Cow::Borrowed(&**node)),
    }
}

fn summary_drop<'a>(lost: PacketDrop) -> SummaryDrop<'a> {
    SummaryDrop {
        reason: lost.reason.map(Cow::Owned),
        hop: lost.hop.map(|hop| hop.as_str().into()),
        by: lost.by_conntrack.then_some(drop::BY_CONNTRACK.into()),
    }
}

fn summary_nat<'a>(nat: &Nat<'_>) -> SummaryNat<'a> {
    let text = |address: SocketAddr| Cow::Owned(address.to_string());
    SummaryNat {
        original: nat.translated().map(|_| text(nat.original())),
        translated: nat.translated().map(text),
        masquerade: nat.masquerade().map(text),
    }
}

fn summary_path<'a>(role: Role, path: &'a Path, started_ns: u64) -> SummaryPath<'a> {
    let hops = path.hops.iter().map(|hop| SummaryHop {
        name: hop.name.as_str().into(),
        interface: hop.interface.as_deref().map(Cow::Borrowed),
        duration_ns: hop.duration_ns(),
    });
    SummaryPath {
        name: role.as_str().into(),
        start_ns: path.start_ns.saturating_sub(started_ns),
        duration_ns: path.end_ns.saturating_sub(path.start_ns),
        hops: hops.collect(),
    }
}

#[cfg(test)]
mod tests;
