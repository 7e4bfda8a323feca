//! What the page gets as JSON: a struct for each interface of `page/src/model.ts`, which documents
//! the fields.

use serde::Serialize;

/// Nanoseconds. JavaScript's numbers are exact up to 2^53: 104 days.
pub(crate) type Nanoseconds = u64;

/// A key and a value of an attribute.
pub(crate) type Attribute = (String, String);

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TraceSet {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) traces: usize,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TraceList<R> {
    pub(crate) version: u64,
    pub(crate) whole: bool,
    pub(crate) rows: Vec<R>,
    pub(crate) removed: Vec<String>,
    pub(crate) losses: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TraceRow {
    pub(crate) id: String,
    pub(crate) start_ms: f64,
    pub(crate) duration_ns: Nanoseconds,
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) services: Vec<String>,
    pub(crate) routes: Vec<String>,
    pub(crate) application_spans: usize,
    pub(crate) data_plane_spans: usize,
    pub(crate) application_ns: Nanoseconds,
    pub(crate) data_plane_ns: Nanoseconds,
    pub(crate) longest_hops: Vec<LongestHop>,
    pub(crate) failures: Vec<String>,
    pub(crate) incomplete: bool,
    pub(crate) refused_spans: u64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LongestHop {
    pub(crate) name: String,
    pub(crate) interface: Option<String>,
    pub(crate) duration_ns: Nanoseconds,
    pub(crate) role: &'static str,
    pub(crate) edge: String,
    pub(crate) span: usize,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TraceView {
    pub(crate) row: TraceRow,
    pub(crate) headline: Vec<String>,
    pub(crate) spans: Vec<SpanView>,
    pub(crate) exchanges: Vec<ExchangeView>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpanView {
    pub(crate) id: String,
    pub(crate) parent: Option<usize>,
    pub(crate) depth: usize,
    pub(crate) name: String,
    pub(crate) service: String,
    pub(crate) kind: &'static str,
    pub(crate) layer: &'static str,
    pub(crate) role: Option<&'static str>,
    pub(crate) start_ns: Nanoseconds,
    pub(crate) duration_ns: Nanoseconds,
    pub(crate) failure: Option<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) exchange: Option<usize>,
    pub(crate) detached: Option<String>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) resource: Vec<Attribute>,
    pub(crate) events: Vec<EventView>,
    pub(crate) links: Vec<LinkView>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    pub(crate) name: String,
    pub(crate) at_ns: Nanoseconds,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkView {
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeView {
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) paths: Vec<PathView>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PathView {
    pub(crate) role: &'static str,
    pub(crate) span: usize,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) hops: Vec<HopView>,
    pub(crate) dnat: Option<Dnat>,
    pub(crate) snat: Option<String>,
    pub(crate) rule: Vec<String>,
    pub(crate) refusal: Option<String>,
    pub(crate) drop: Option<Drop>,
    pub(crate) retransmits: u64,
    pub(crate) incomplete: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Dnat {
    pub(crate) original: String,
    pub(crate) translated: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Drop {
    pub(crate) hop: Option<String>,
    pub(crate) reason: String,
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HopView {
    pub(crate) span: usize,
    pub(crate) name: String,
    pub(crate) interface: Option<String>,
    pub(crate) start_ns: Nanoseconds,
    pub(crate) duration_ns: Nanoseconds,
    pub(crate) dnat: bool,
    pub(crate) snat: bool,
    pub(crate) dropped: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comparison {
    pub(crate) traces: usize,
    pub(crate) from_ms: Option<f64>,
    pub(crate) to_ms: Option<f64>,
    pub(crate) edges: Vec<EdgeView>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EdgeView {
    pub(crate) client: String,
    pub(crate) server: String,
    pub(crate) calls: usize,
    pub(crate) connected: usize,
    pub(crate) unseen: usize,
    pub(crate) incomplete: usize,
    pub(crate) failures: Vec<FailureCount>,
    pub(crate) total: Option<Quantity>,
    pub(crate) data_plane: Option<Quantity>,
    pub(crate) parts: Vec<PartView>,
    pub(crate) total_histogram: Vec<Bucket>,
    pub(crate) data_plane_histogram: Vec<Bucket>,
    pub(crate) worst: Vec<WorstCall>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct FailureCount {
    pub(crate) reason: String,
    pub(crate) count: usize,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct PartView {
    pub(crate) name: &'static str,
    pub(crate) quantity: Quantity,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Quantity {
    pub(crate) calls: usize,
    pub(crate) median_ns: i64,
    pub(crate) p99_ns: i64,
    pub(crate) max_ns: i64,
    pub(crate) mean_ns: i64,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bucket {
    pub(crate) from_ns: Nanoseconds,
    pub(crate) to_ns: Nanoseconds,
    pub(crate) calls: usize,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorstCall {
    pub(crate) trace: String,
    pub(crate) span: usize,
    pub(crate) start_ms: f64,
    pub(crate) total_ns: Nanoseconds,
    pub(crate) data_plane_ns: Nanoseconds,
    pub(crate) longest_hop: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct EmbeddedReport {
    pub(crate) created: String,
    pub(crate) sets: Vec<EmbeddedSet>,
}

#[derive(Debug, Serialize)]
pub(crate) struct EmbeddedSet {
    pub(crate) set: TraceSet,
    pub(crate) list: TraceList<TraceRow>,
    pub(crate) comparison: Comparison,
    pub(crate) traces: Vec<TraceView>,
}
