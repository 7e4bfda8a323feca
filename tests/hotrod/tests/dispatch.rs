//! The five processes on loopback, and the traces of dispatches as a collector receives them.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

mod support;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::Value;
use support::app::{App, client, client_with_http_export};
use support::collector::{Collector, Span};
use support::trace::{FIND_NEAREST, Trace};

/// The URL of a port without a listener: it was free a moment ago.
fn unused_url() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn one_line(result: (bool, Vec<Value>)) -> Value {
    let (success, mut lines) = result;
    assert!(success);
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_is_one_trace_and_the_next_uses_the_same_connections() {
    let collector = Collector::start().await;
    let app = App::start(&collector);
    let first = one_line(client(&collector, &app.frontend, &[]));
    let (success, more) = client(
        &collector,
        &app.frontend,
        &["--requests", "6", "--concurrency", "2"],
    );
    app.stop();

    assert!(success);
    assert_eq!(more.len(), 6);
    let spans = collector.spans();
    assert_eq!(spans.len(), 7 * 26);
    for line in more.iter().chain([&first]) {
        assert_eq!(line["status"], 200);
        assert!(line["duration_ms"].as_f64().unwrap() > 10.0, "{line}");
        Trace::of(&spans, line["trace_id"].as_str().unwrap()).assert_is_a_dispatch();
    }

    // Three workers for ten routes, so at most three connections for one dispatch.
    let first = Trace::of(&spans, first["trace_id"].as_str().unwrap());
    let opened = first
        .local_ports("frontend", SpanKind::Client, "GET /route")
        .len();
    assert!((1..=3).contains(&opened), "{opened}");
    let all = Trace(spans);
    // Two dispatches at a time need at most two sets of connections; gRPC shares one connection.
    assert!(
        all.local_ports("frontend", SpanKind::Client, "GET /route")
            .len()
            <= 6
    );
    assert!(
        all.local_ports("frontend", SpanKind::Client, "GET /customer")
            .len()
            <= 2
    );
    assert_eq!(
        all.local_ports("frontend", SpanKind::Client, FIND_NEAREST)
            .len(),
        1
    );
    // Two client processes: one connection, then one for each worker that sent a dispatch.
    assert!(
        all.local_ports("client", SpanKind::Client, "GET /dispatch")
            .len()
            <= 3
    );
    all.assert_attributes();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_customer_is_not_found() {
    let collector = Collector::start().await;
    let app = App::start(&collector);
    let line = one_line(client(
        &collector,
        &app.frontend,
        &["--customer-id", "9999"],
    ));
    app.stop();

    assert_eq!(line["status"], 404);
    let spans = collector.spans();
    let trace = Trace::of(&spans, line["trace_id"].as_str().unwrap());
    assert_eq!(spans.len(), 4, "driver or route was called: {spans:#?}");
    for (service, kind, name, status) in [
        (
            "client",
            SpanKind::Client,
            "GET /dispatch",
            StatusCode::Error,
        ),
        (
            "frontend",
            SpanKind::Server,
            "GET /dispatch",
            StatusCode::Unset,
        ),
        (
            "frontend",
            SpanKind::Client,
            "GET /customer",
            StatusCode::Error,
        ),
        (
            "customer",
            SpanKind::Server,
            "GET /customer",
            StatusCode::Unset,
        ),
    ] {
        let found = trace.select(service, kind, name);
        assert_eq!(found.len(), 1, "{service} {kind:?}");
        assert_eq!(found[0].status, status, "{service} {kind:?}");
        assert_eq!(found[0].attribute("http.response.status_code"), "404");
        assert_eq!(
            found[0].attributes.get("error.type").map(String::as_str),
            (kind == SpanKind::Client).then_some("404")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_service_is_a_bad_gateway() {
    let collector = Collector::start().await;
    let unused = &unused_url();
    let app = App::frontend_of(
        &collector,
        &["--customer", unused, "--driver", unused, "--route", unused],
    );
    let line = one_line(client(&collector, &app.frontend, &[]));
    let frontend = app.frontend.clone();
    app.stop();
    assert_eq!(line["status"], 502);
    let spans = collector.spans();
    let trace = Trace::of(&spans, line["trace_id"].as_str().unwrap());
    assert_eq!(
        trace.select("frontend", SpanKind::Server, "GET /dispatch")[0].status,
        StatusCode::Error
    );
    assert_eq!(
        trace.select("frontend", SpanKind::Client, "GET /customer")[0].attribute("error.type"),
        "connect"
    );

    let (success, lines) = client(&collector, &frontend, &["--requests", "2"]);
    assert!(!success, "a client without a response fails");
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["status"], 0);
    assert!(
        lines[0]["error"]
            .as_str()
            .unwrap()
            .starts_with("connect to http://127.0.0.1:"),
        "{}",
        lines[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_can_send_no_context_a_given_one_or_a_malformed_one() {
    let collector = Collector::start().await;
    let app = App::start(&collector);
    let run = |args: &[&str]| {
        let line = one_line(client(&collector, &app.frontend, args));
        assert_eq!(line["status"], 200);
        assert_eq!(line["trace_id"], "", "the client made a span");
    };
    let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    run(&[
        "--no-trace",
        "--header",
        "x-first: 1",
        "--header",
        "x-second: 2",
    ]);
    run(&[
        "--traceparent",
        "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00",
    ]);
    run(&[
        "--traceparent",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    ]);
    run(&["--traceparent", sampled]);
    app.stop();

    let spans = collector.spans();
    // No span for the unsampled context; without a valid context the frontend starts a trace.
    assert_eq!(spans.len(), 3 * 25);
    assert!(spans.iter().all(|span| span.service() != "client"));
    let roots = spans.iter().filter(|span| span.parent_id.is_empty());
    assert_eq!(
        roots.map(Span::service).collect::<Vec<_>>(),
        ["frontend"; 2]
    );
    let given = Trace::of(&spans, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(given.0.len(), 25);
    let frontend = given.select("frontend", SpanKind::Server, "GET /dispatch");
    assert_eq!(frontend[0].parent_id, "b7ad6b7169203331");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_exported_over_http_when_the_environment_sets_it() {
    let collector = Collector::start().await;
    let app = App::start(&collector);
    let line = one_line(client_with_http_export(&collector, &app.frontend));
    app.stop();
    Trace::of(&collector.spans(), line["trace_id"].as_str().unwrap()).assert_is_a_dispatch();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dispatches_eight_at_a_time_lose_no_span() {
    let collector = Collector::start().await;
    let app = App::start(&collector);
    let (success, lines) = client(
        &collector,
        &app.frontend,
        &["--requests", "1000", "--concurrency", "8"],
    );
    app.stop();
    assert!(success);
    assert_eq!(lines.len(), 1000);

    let mut traces: BTreeMap<String, Trace> = BTreeMap::new();
    for span in collector.spans() {
        traces
            .entry(span.trace_id.clone())
            .or_insert_with(|| Trace(Vec::new()))
            .0
            .push(span);
    }
    assert_eq!(traces.len(), 1000);
    for line in &lines {
        assert_eq!(line["status"], 200);
        traces[line["trace_id"].as_str().unwrap()].assert_is_a_dispatch();
    }
}
