//! Metrics of requests, by client and service.
//!
//! In: the pipeline's series. Out: counters and histograms. Their names and help texts are here.

use std::fmt;

use tracer_pipeline::{
    flow::Side,
    span::{EdgeKey, EdgeSnapshot, EdgeTimes, Histogram, RequestResult},
};

use super::{encoder::MetricsEncoder, histogram_text::HistogramFamily};

/// The end of each help text: which requests are covered.
const COVERED: &str = "Of requests whose trace is sampled, except those shed in the kernel; with --untraced also of requests without trace context; with --follow-all of all HTTP requests";

/// A value of the label `message`, or none, and where its histogram is.
type OfMessage = (Option<&'static str>, fn(&EdgeTimes) -> &Histogram);

/// A histogram for each edge.
struct EdgeFamily {
    name: &'static str,
    help: &'static str,
    histograms: &'static [OfMessage],
}

const EDGE_FAMILIES: [EdgeFamily; 4] = [
    EdgeFamily {
        name: "hopspan_request_duration_seconds",
        help: "Time from the client's first packet to the end of the response, measured where the client is on this node",
        histograms: &[(None, |times| &times.total)],
    },
    EdgeFamily {
        name: "hopspan_data_plane_duration_seconds",
        help: "Time that connect, request and response spent in this node's data plane, until they were read; without the wire, other nodes, and the rest of a response behind its first packet. Between nodes each agent measures its own part",
        histograms: &[(None, |times| &times.data_plane)],
    },
    EdgeFamily {
        name: "hopspan_connect_duration_seconds",
        help: "Time from SYN to SYN-ACK of requests that opened a connection. Between nodes the client's node measures all of it, the server's node its own part",
        histograms: &[(None, |times| &times.connect)],
    },
    EdgeFamily {
        name: "hopspan_socket_queue_duration_seconds",
        help: "Time in the receive queue of the server (message request) or the client (message response) until it reads, on the node that receives",
        histograms: &[
            (Some("request"), |times| &times.request_queue),
            (Some("response"), |times| &times.response_queue),
        ],
    },
];

/// Writes the counters.
pub(super) fn counters(metrics: &mut MetricsEncoder<'_>, edges: &EdgeSnapshot) -> fmt::Result {
    let rows = sorted(edges);
    let requests = rows.iter().flat_map(|(labels, times)| {
        let [client, service, side] = labels;
        let results = RequestResult::ALL.into_iter().zip(times.requests);
        let seen = results.filter(|(_, count)| *count > 0);
        seen.map(move |(result, count)| {
            let labels = [
                ("node", edges.node.as_str()),
                ("client", client.as_str()),
                ("service", service.as_str()),
                ("side", side.as_str()),
                ("result", result.as_str()),
            ];
            (labels, count)
        })
    });
    metrics.counters_labelled(
        "hopspan_requests",
        &format!("Requests by result: class of the HTTP status, grpc_error, failed (the stream or connection ended before the response did), or unknown (the response was not seen). Side client: the client is on this node; server: the request came from another node or from outside. {COVERED}"),
        requests,
    )?;
    metrics.counters(
        "hopspan_idle_series_dropped",
        "Edges (client and service), and services with series for their hops, whose series were dropped because no request came for 10 minutes",
        "of",
        [
            ("edge", edges.edges_dropped),
            ("service", edges.services_dropped),
        ],
    )
}

/// Writes the histograms.
pub(super) fn histograms(text: &mut String, edges: &EdgeSnapshot) {
    let rows = sorted(edges);
    let node = edges.node.as_str();
    for family in EDGE_FAMILIES {
        let help = format!("{}. {COVERED}", family.help);
        let mut written = HistogramFamily::new(text, family.name, &help);
        for ([client, service, side], times) in &rows {
            for (message, histogram) in family.histograms {
                let mut labels = vec![
                    ("node", node),
                    ("client", client.as_str()),
                    ("service", service.as_str()),
                    ("side", side.as_str()),
                ];
                labels.extend(message.map(|message| ("message", message)));
                written.add(&labels, histogram(times));
            }
        }
    }
    hops(text, edges);
}

fn hops(text: &mut String, edges: &EdgeSnapshot) {
    let mut written = HistogramFamily::new(
        text,
        "hopspan_hop_duration_seconds",
        "Time in each hop of connect, request and response, as this node saw it. Only of requests with spans",
    );
    let services = edges.services.iter();
    let mut services: Vec<_> = services
        .map(|(end, hops)| (end.to_string(), hops))
        .collect();
    services.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (service, times) in services {
        for (role, hop, histogram) in times.hops() {
            let labels = [
                ("node", edges.node.as_str()),
                ("service", service.as_str()),
                ("message", role.as_str()),
                ("hop", hop.as_str()),
            ];
            written.add(&labels, histogram);
        }
    }
}

/// The values of the labels `client`, `service` and `side`, in their order, with what was measured.
fn sorted(edges: &EdgeSnapshot) -> Vec<([String; 3], &EdgeTimes)> {
    let labels = |key: &EdgeKey| {
        let side = match key.side {
            Side::Client => tracer_semconv::Side::Client,
            Side::Server => tracer_semconv::Side::Server,
        };
        [
            key.client.to_string(),
            key.service.to_string(),
            side.as_str().to_owned(),
        ]
    };
    let rows = edges.edges.iter();
    let mut rows: Vec<([String; 3], &EdgeTimes)> =
        rows.map(|(key, times)| (labels(key), &**times)).collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows
}

#[cfg(test)]
mod tests;
