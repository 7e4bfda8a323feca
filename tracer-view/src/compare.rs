//! Compares application time with data-plane time, per service edge. In: the calls of any number of
//! traces. Out: for each edge the distribution of each part. Pure; knows no layout.

use std::collections::HashMap;

use crate::call::{Edge, Times};
use crate::call_sample::CallSample;
use crate::distribution::{Bucket, Distribution, histogram};
use crate::hop_times::HopKind;

/// As many of the calls that spent most time in the data plane are named.
const WORST_CALLS: usize = 5;

/// As many reasons of failures are named.
const FAILURES: usize = 10;

/// The comparison over a run.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The number of traces that the calls are from.
    pub traces: usize,
    /// In the order of each edge's first call.
    pub edges: Vec<EdgeTimes>,
}

/// One service edge.
#[derive(Debug)]
pub struct EdgeTimes {
    /// Client and server.
    pub edge: Edge,
    /// Calls on this edge.
    pub calls: usize,
    /// Calls that opened a connection.
    pub connected: usize,
    /// Calls without an exchange.
    pub unseen: usize,
    /// Calls with an exchange of which a path, or its part on another node, is missing. No
    /// data-plane number includes them.
    pub incomplete: usize,
    /// Reasons in words and how many calls failed for each, the most frequent first.
    pub failures: Vec<(String, usize)>,
    /// Client span, nanoseconds.
    pub client_span: Option<Distribution>,
    /// Server span, nanoseconds.
    pub server_span: Option<Distribution>,
    /// Connect, request and response path together, nanoseconds.
    pub data_plane: Option<Distribution>,
    /// The data plane's part of the client span, in millionths.
    pub share_ppm: Option<Distribution>,
    /// Client span without server span and data plane, nanoseconds.
    pub client: Option<Distribution>,
    /// Over the calls that opened a connection, nanoseconds.
    pub connect: Option<Distribution>,
    /// Request path with its socket queue, nanoseconds.
    pub request: Option<Distribution>,
    /// Socket queue, nanoseconds.
    pub socket_queue: Option<Distribution>,
    /// Response path to the first byte, nanoseconds.
    pub response: Option<Distribution>,
    /// The rest of the response's body, over the calls that have one, nanoseconds. It is in no other
    /// number of the data plane.
    pub body: Option<Distribution>,
    /// Where the time goes, over the calls of which every part was measured: server, rest of the
    /// client, connect, and the hops of request and response. Parts that no call has are left out.
    pub parts: Vec<(Part, Distribution)>,
    /// Client spans, nanoseconds.
    pub client_span_histogram: Vec<Bucket>,
    /// Data plane, nanoseconds.
    pub data_plane_histogram: Vec<Bucket>,
    /// The calls that spent most time in the data plane, most first.
    pub worst: Vec<CallSample>,
}

/// A part of a call's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The server's application, the calls that it makes included.
    Application,
    /// The rest of the client.
    Client,
    /// SYN to SYN-ACK.
    Connect,
    /// Hops of request and response.
    Hops(HopKind),
}

impl Part {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Client => "client",
            Self::Connect => "connect",
            Self::Hops(HopKind::Stacks) => "stacks",
            Self::Hops(HopKind::VethAndBridge) => "veth and bridge",
            Self::Hops(HopKind::Netfilter) => "netfilter",
            Self::Hops(HopKind::Routing) => "routing",
            Self::Hops(HopKind::OverlayAndWire) => "overlay and wire",
            Self::Hops(HopKind::SocketQueue) => "socket queue",
            Self::Hops(HopKind::Other) => "other hops",
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let ends = [Self::Application, Self::Client, Self::Connect];
        ends.into_iter().chain(HopKind::ALL.map(Self::Hops))
    }

    /// Its time in a call of which every part was measured.
    fn of(self, times: &Times) -> Option<i64> {
        let client = times.client_ns()?;
        Some(match self {
            Self::Application => saturating(times.server_span_ns?),
            Self::Client => client,
            Self::Connect => saturating(times.connect_ns.unwrap_or(0)),
            Self::Hops(kind) => saturating(times.hops.get(kind)),
        })
    }
}

/// Collects calls trace by trace.
#[derive(Debug, Default)]
pub struct Calls<'c> {
    traces: usize,
    edges: Vec<(&'c Edge, Vec<&'c CallSample>)>,
    index: HashMap<&'c Edge, usize>,
}

impl<'c> Calls<'c> {
    /// Adds the calls of one trace.
    pub fn add(&mut self, calls: &'c [CallSample]) {
        self.traces += 1;
        for call in calls {
            let next = self.edges.len();
            let at = *self.index.entry(&call.edge).or_insert(next);
            if at == next {
                self.edges.push((&call.edge, Vec::new()));
            }
            self.edges[at].1.push(call);
        }
    }

    /// The comparison over all calls added.
    pub fn compare(&self) -> Comparison {
        let edges = self.edges.iter();
        Comparison {
            traces: self.traces,
            edges: edges.map(|(edge, calls)| edge_times(edge, calls)).collect(),
        }
    }
}

fn edge_times(edge: &Edge, calls: &[&CallSample]) -> EdgeTimes {
    let times = || calls.iter().map(|call| &call.times);
    let count = |is: fn(&CallSample) -> bool| calls.iter().filter(|call| is(call)).count();
    let distribution = |part: fn(&Times) -> Option<u64>| {
        Distribution::of(times().filter_map(part).map(saturating))
    };
    let share = |t: &Times| {
        t.data_plane_share()
            .map(|share| (share * 1e6).round() as i64)
    };
    let parts = Part::all().filter_map(|part| {
        let all = Distribution::of(times().filter_map(|times| part.of(times)))?;
        (all.max != 0 || all.mean != 0).then_some((part, all))
    });
    EdgeTimes {
        edge: edge.clone(),
        calls: calls.len(),
        connected: count(|call| call.times.connect_ns.is_some()),
        unseen: count(|call| !call.is_seen),
        incomplete: count(|call| call.is_seen && call.times.data_plane_ns().is_none()),
        failures: failures(calls),
        client_span: distribution(|t| Some(t.client_span_ns)),
        server_span: distribution(|t| t.server_span_ns),
        data_plane: distribution(Times::data_plane_ns),
        share_ppm: Distribution::of(times().filter_map(share)),
        client: Distribution::of(times().filter_map(Times::client_ns)),
        connect: distribution(|t| t.connect_ns),
        request: distribution(|t| t.request_ns),
        socket_queue: distribution(|t| t.socket_queue_ns),
        response: distribution(|t| t.response_ns),
        body: distribution(|t| t.body_ns),
        parts: parts.collect(),
        client_span_histogram: histogram(times().map(|t| t.client_span_ns)),
        data_plane_histogram: histogram(times().filter_map(Times::data_plane_ns)),
        worst: worst(calls),
    }
}

fn failures(calls: &[&CallSample]) -> Vec<(String, usize)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for failure in calls.iter().filter_map(|call| call.failure.as_deref()) {
        *counts.entry(failure).or_default() += 1;
    }
    let counts = counts.into_iter();
    let mut counts: Vec<(String, usize)> = counts
        .map(|(reason, calls)| (reason.to_owned(), calls))
        .collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(FAILURES);
    counts
}

fn worst(calls: &[&CallSample]) -> Vec<CallSample> {
    let mut seen: Vec<(u64, &CallSample)> = calls
        .iter()
        .filter_map(|call| Some((call.times.data_plane_ns()?, *call)))
        .collect();
    seen.sort_by_key(|(data_plane_ns, _)| std::cmp::Reverse(*data_plane_ns));
    let worst = seen.into_iter().take(WORST_CALLS);
    worst.map(|(_, call)| call.clone()).collect()
}

fn saturating(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}
