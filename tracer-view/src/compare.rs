//! Compares application time with data-plane time, per service edge. In: the calls of any number of
//! traces. Out: for each edge the median and the maximum of each part. Pure; knows no layout.

use std::collections::HashMap;

use crate::call::{Call, Edge, Times};

/// The comparison over a run.
#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    /// The number of traces that the calls are from.
    pub traces: usize,
    /// In the order of each edge's first call.
    pub edges: Vec<EdgeTimes>,
}

/// One service edge.
#[derive(Debug, PartialEq)]
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
    /// Client span, nanoseconds.
    pub client_span: Option<Spread>,
    /// Server span, nanoseconds.
    pub server_span: Option<Spread>,
    /// Connect, request and response path together, nanoseconds.
    pub data_plane: Option<Spread>,
    /// The data plane's part of the client span, in millionths.
    pub share_ppm: Option<Spread>,
    /// Client span without server span and data plane, nanoseconds.
    pub client: Option<Spread>,
    /// Over the calls that opened a connection, nanoseconds.
    pub connect: Option<Spread>,
    /// Request path with its socket queue, nanoseconds.
    pub request: Option<Spread>,
    /// Socket queue, nanoseconds.
    pub socket_queue: Option<Spread>,
    /// Response path to the first byte, nanoseconds.
    pub response: Option<Spread>,
    /// The rest of the response's body, over the calls that have one, nanoseconds. It is in no other
    /// number of the data plane.
    pub body: Option<Spread>,
}

/// Median and maximum over the calls that have the quantity. The medians of parts do not add up to
/// the median of their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The middle value; of an even number the mean of the two middle values.
    pub median: i64,
    /// The largest value.
    pub max: i64,
}

impl Spread {
    fn of(values: impl Iterator<Item = i64>) -> Option<Self> {
        let mut values: Vec<i64> = values.collect();
        values.sort_unstable();
        let max = *values.last()?;
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self {
            median: low + (high - low) / 2,
            max,
        })
    }
}

/// Collects calls trace by trace.
#[derive(Debug, Default)]
pub struct Calls {
    traces: usize,
    edges: Vec<(Edge, Vec<Sample>)>,
    index: HashMap<Edge, usize>,
}

#[derive(Debug)]
struct Sample {
    times: Times,
    seen: bool,
}

impl Calls {
    /// Adds the calls of one trace.
    pub fn add(&mut self, calls: &[Call]) {
        self.traces += 1;
        for call in calls {
            let next = self.edges.len();
            let at = *self.index.entry(call.edge.clone()).or_insert(next);
            if at == next {
                self.edges.push((call.edge.clone(), Vec::new()));
            }
            self.edges[at].1.push(Sample {
                times: call.times,
                seen: !call.exchanges.is_empty(),
            });
        }
    }

    /// The comparison over all calls added.
    pub fn compare(&self) -> Comparison {
        let edges = self
            .edges
            .iter()
            .map(|(edge, samples)| edge_times(edge, samples))
            .collect();
        Comparison {
            traces: self.traces,
            edges,
        }
    }
}

fn edge_times(edge: &Edge, samples: &[Sample]) -> EdgeTimes {
    let count = |is: fn(&Sample) -> bool| samples.iter().filter(|s| is(s)).count();
    let spread = |part: fn(&Times) -> Option<u64>| {
        Spread::of(
            samples
                .iter()
                .filter_map(|s| part(&s.times))
                .map(saturating),
        )
    };
    let share = |t: &Times| {
        t.data_plane_share()
            .map(|share| (share * 1e6).round() as i64)
    };
    EdgeTimes {
        edge: edge.clone(),
        calls: samples.len(),
        connected: count(|s| s.times.connect_ns.is_some()),
        unseen: count(|s| !s.seen),
        incomplete: count(|s| s.seen && s.times.data_plane_ns().is_none()),
        client_span: spread(|t| Some(t.client_span_ns)),
        server_span: spread(|t| t.server_span_ns),
        data_plane: spread(Times::data_plane_ns),
        share_ppm: Spread::of(samples.iter().filter_map(|s| share(&s.times))),
        client: Spread::of(samples.iter().filter_map(|s| s.times.client_ns())),
        connect: spread(|t| t.connect_ns),
        request: spread(|t| t.request_ns),
        socket_queue: spread(|t| t.socket_queue_ns),
        response: spread(|t| t.response_ns),
        body: spread(|t| t.body_ns),
    }
}

fn saturating(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}
