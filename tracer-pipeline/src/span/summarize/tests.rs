//! A summary has the values of the spans.

use tracer_common::{journey::End, message::Message};

use super::*;
use crate::{
    decode::{Fact, fact::PodFact},
    flow::{Cause, Ending},
    http::Exchange,
    identity::directory::Directory,
    span::{
        Detail, DetailChoice, Span, Untraced,
        exchange::tests::{
            attribute, exchange,
            halves::{client_half, server_half},
            journey, with_context,
        },
        parties::sides,
    },
};

const TRACE: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";

/// The text of a list, as the spans have it.
fn list(path: &SummaryPath<'_>) -> String {
    let hops = path.hops.iter().map(|hop| match &hop.interface {
        Some(interface) => format!("{} {interface} {}", hop.name, hop.duration_ns),
        None => format!("{} {}", hop.name, hop.duration_ns),
    });
    hops.collect::<Vec<_>>().join(", ")
}

/// What a span of a path and a summary both have.
fn of_span(span: &Span) -> Vec<(&'static str, String)> {
    let keys = [
        "hopspan.role",
        "hopspan.hops",
        "hopspan.half",
        "hopspan.source.k8s.pod.name",
        "hopspan.nat.original",
        "hopspan.nat.translated",
        "hopspan.kube_proxy.rule",
        "hopspan.kube_proxy.service",
        "hopspan.kube_proxy.portal",
    ];
    keys.map(|key| (key, attribute(span, key))).into()
}

fn of_summary(summary: &Summary<'_>, path: &SummaryPath<'_>) -> Vec<(&'static str, String)> {
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let nat = summary.nat.clone().unwrap_or_default();
    let rule = summary.kube_proxy.as_ref();
    let of_rule = |get: fn(&SummaryRule<'_>) -> String| rule.map(get).unwrap_or_default();
    vec![
        ("hopspan.role", path.name.to_string()),
        ("hopspan.hops", list(path)),
        ("hopspan.half", text(&summary.half)),
        ("hopspan.source.k8s.pod.name", text(&summary.client.pod)),
        ("hopspan.nat.original", text(&nat.original)),
        ("hopspan.nat.translated", text(&nat.translated)),
        (
            "hopspan.kube_proxy.rule",
            of_rule(|rule| rule.rule.to_string()),
        ),
        (
            "hopspan.kube_proxy.service",
            of_rule(|rule| rule.service.to_string()),
        ),
        (
            "hopspan.kube_proxy.portal",
            of_rule(|rule| rule.portal.clone().unwrap_or_default().to_string()),
        ),
    ]
}

/// Compares the summary of an exchange with its spans, and passes it on.
fn check(exchange: &Exchange, then: impl FnOnce(&Summary<'_>)) {
    let mut directory = Directory::default();
    directory.apply(Fact::Pod(PodFact {
        uid: "uid".into(),
        pod: crate::decode::fact::ObjectName {
            namespace: "shop".into(),
            name: "client".into(),
        },
        addresses: vec!["10.201.1.99".parse().unwrap()],
        ..PodFact::default()
    }));
    let mut detail = DetailChoice::default();
    detail.set_detail(Detail::Path);
    let sides = sides(exchange);
    with_context(|context| {
        let context = Context {
            directory: &directory,
            ..*context
        };
        let named = NamedExchange::new(exchange, &sides, &context);
        let trace = ExchangeTrace::of(exchange)
            .or_else(|| Untraced::at_most(1).begin(exchange))
            .unwrap();
        let spans = named.spans(trace, 0, &mut detail);
        let summary = named.summary(Some(trace));
        let paths = spans
            .iter()
            .filter(|span| attribute(span, "hopspan.role") != "exchange");
        let paths: Vec<&Span> = paths.collect();
        assert_eq!(paths.len(), summary.paths.len());
        for (span, path) in paths.iter().zip(&summary.paths) {
            assert_eq!(of_summary(&summary, path), of_span(span));
            assert_eq!(summary.start_unix_ns + path.start_ns, span.start_unix_ns);
            assert_eq!(path.duration_ns, span.end_unix_ns - span.start_unix_ns);
            assert_eq!(
                summary.trace_id.as_deref().unwrap(),
                span.trace_id.to_string()
            );
        }
        let request = spans
            .iter()
            .find(|span| attribute(span, "hopspan.role") == "request");
        let request = request.unwrap();
        let total = attribute(request, "hopspan.exchange.duration_ns");
        assert_eq!(summary.total_ns.to_string(), total);
        let last = spans.last().unwrap();
        assert_eq!(
            summary.error.as_deref().unwrap_or_default(),
            attribute(last, "error.type")
        );
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(
            serde_json::from_str::<Summary<'_>>(&text).unwrap(),
            summary,
            "{text}"
        );
        then(&summary);
    });
}

#[test]
fn an_exchange_has_what_its_spans_have() {
    check(&exchange(TRACE), |summary| {
        assert_eq!(summary.method.as_deref(), Some("GET"));
        assert_eq!(summary.path.as_deref(), Some("/a"));
        assert_eq!((summary.status, summary.is_error()), (Some(200), false));
        assert_eq!(summary.service.as_deref(), Some("default/web-manual:http"));
        assert_eq!(&summary.server.address, "10.201.1.12:8080");
        assert_eq!(summary.client.namespace.as_deref(), Some("shop"));
        // connect 130, request 30, response 30.
        assert_eq!(summary.data_plane_ns, Some(190));
        assert_eq!(summary.incomplete, [""; 0]);
        let (path, hop) = summary.worst_hop().unwrap();
        assert_eq!(
            (path, &*hop.name, hop.duration_ns),
            ("connect", "server.stack", 70)
        );
    });
    check(&exchange(""), |_| {});
}

#[test]
fn each_half_is_what_its_node_saw() {
    check(&client_half(), |summary| {
        let wire = summary.paths[0].hops.iter().find(|hop| hop.name == "wire");
        assert!(wire.is_some(), "{summary:?}");
        assert_ne!(summary.worst_hop().unwrap().1.name, "wire");
    });
    check(&server_half(), |summary| {
        assert_eq!(summary.half.as_deref(), Some("server"));
    });
}

#[test]
fn a_failure_has_its_drop() {
    let mut lost = exchange(TRACE);
    lost.response = None;
    lost.answered = None;
    lost.request = Leg::new(journey(Message::Request, 1_200, End::Dropped));
    lost.request.earlier = vec![journey(Message::Request, 1_150, End::Dropped)];
    check(&lost, |summary| {
        let drop = summary.drop.as_ref().unwrap();
        assert_eq!(drop.reason.as_deref(), Some("NETFILTER_DROP"));
        assert_eq!(drop.hop.as_deref(), Some("netfilter.prerouting"));
        assert_eq!(summary.retransmits, 1);
        assert_eq!(summary.incomplete, ["response"]);
        assert_eq!(summary.data_plane_ns, None);
        assert!(summary.is_error());
    });
    lost.ending = Some(Ending {
        cause: Cause::Reset,
        by: None,
        at_ns: 9_000,
        answered_until: None,
    });
    check(&lost, |summary| {
        assert_eq!(summary.error.as_deref(), Some("connection_reset"));
        assert_eq!(summary.incomplete, [""; 0]);
    });
}
