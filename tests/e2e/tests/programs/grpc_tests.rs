//! gRPC for Python on both sides, traced by OpenTelemetry's own instrumentation: every client span
//! has its one exchange.

use std::{collections::BTreeMap, path::Path, time::Duration};

use hopspan_e2e::{Exchange, Span, Trace, Traces, assert_legs, python};
use hopspan_lab::{Command, Pod, kube_proxy::Service};

use super::fixture::{PORT, ProgramFixture, endpoint};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/grpc_python");
const DEADLINE: Duration = Duration::from_secs(60);
/// As in client.py.
const ROUNDS: usize = 5;
/// The time in which the server sends its messages: MESSAGES times PAUSE_S in greeter.py.
const STREAM_NS: u64 = 150_000_000;
/// OTLP's number of the span kind of servers.
const SERVER: i32 = 2;

fn script(fixture: &ProgramFixture, pod: &Pod, python: &Path, name: &str) -> Command {
    let collector = fixture.fixture.node().gateway_ip();
    pod.command(python)
        .arg("-B")
        .arg(Path::new(SCRIPTS).join(name))
        .env("OTEL_SERVICE_NAME", name)
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{collector}:4318"),
        )
}

/// Runs the client against the server. Returns the lines that the client wrote, and the spans.
fn run(python: &Path) -> (String, Traces, Service, Pod) {
    let mut fixture = ProgramFixture::start("grpc");
    let (client, server) = (fixture.pod("client"), fixture.pod("server"));
    let process = script(&fixture, &server, python, "server.py")
        .arg(PORT.to_string())
        .spawn()
        .unwrap();
    fixture.keep(process);
    let service = fixture.service("greeter", std::slice::from_ref(&server));
    let lines = script(&fixture, &client, python, "client.py")
        .arg(service.address().to_string())
        .run(DEADLINE)
        .unwrap();
    fixture.stop_servers();
    (lines, fixture.finish(), service, server)
}

#[test]
fn every_call_of_python_is_an_exchange() {
    let Some(python) = python("every_call_of_python_is_an_exchange", "grpc") else {
        return;
    };
    let (lines, traces, service, server) = run(&python);
    let expected = "Hello OK 1\nCount OK 5\nMissing NOT_FOUND 0\n".repeat(ROUNDS);
    assert_eq!(lines, expected);

    let mut calls: Vec<(&Trace, &Span)> = traces
        .0
        .values()
        .flat_map(|trace| trace.calls().map(move |call| (trace, call)))
        .collect();
    calls.sort_by_key(|(_, call)| call.start_ns);
    assert_eq!(calls.len(), 3 * ROUNDS, "{calls:#?}");
    let mut by_method: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (trace, call)) in calls.iter().enumerate() {
        let exchange = &exchange_of(trace, call);
        let method = call.attribute("rpc.method");
        *by_method.entry(method).or_default() += 1;
        assert_rpc(exchange, call);
        exchange.assert_within(call);
        let way = [
            ("hopspan.nat.original", service.address()),
            ("hopspan.nat.translated", endpoint(server.ip())),
        ];
        for (key, expected) in way {
            assert_eq!(
                exchange.attribute(key),
                expected.to_string(),
                "{exchange:#?}"
            );
        }
        assert_legs(trace, exchange, index == 0);
        assert_error(exchange);
        if method == "Count" {
            assert_lasts_to_its_trailers(trace, call, exchange);
        }
    }
    let expected = ["Count", "Hello", "Missing"].map(|method| (method, ROUNDS));
    assert_eq!(by_method, BTreeMap::from(expected));
}

fn exchange_of<'t>(trace: &'t Trace, call: &Span) -> Exchange<'t> {
    let exchange = trace.exchange_below(call);
    assert_eq!(trace.exchanges().len(), 1, "{:#?}", trace.spans);
    exchange
}

/// Compares the attributes of hopspan's exchange with those of the instrumentation's call.
fn assert_rpc(exchange: &Exchange<'_>, call: &Span) {
    exchange.assert_attributes(&[
        ("hopspan.incomplete", ""),
        ("network.protocol.version", "2"),
        ("rpc.system", "grpc"),
        ("rpc.service", "programs.Greeter"),
        ("rpc.method", call.attribute("rpc.method")),
        (
            "rpc.grpc.status_code",
            call.attribute("rpc.grpc.status_code"),
        ),
    ]);
    assert_ne!(call.attribute("rpc.grpc.status_code"), "", "{call:#?}");
}

/// Checks that only the call that fails is an error.
fn assert_error(exchange: &Exchange<'_>) {
    let (status, error) = match exchange.attribute("rpc.method") {
        "Missing" => ("5", "NOT_FOUND"),
        _ => ("0", ""),
    };
    assert_eq!(exchange.attribute("rpc.grpc.status_code"), status);
    assert_eq!(exchange.attribute("error.type"), error, "{exchange:#?}");
    assert_eq!(exchange.is_error(), !error.is_empty(), "{exchange:#?}");
}

/// Checks that the response ends with the trailers, after the last message, and that its body begins
/// with the first one.
fn assert_lasts_to_its_trailers(trace: &Trace, call: &Span, exchange: &Exchange<'_>) {
    let served = trace.children(call);
    let server = served
        .iter()
        .find(|span| span.kind == SERVER)
        .unwrap_or_else(|| panic!("no server span under {call:#?}"));
    assert!(
        exchange.end_ns >= server.start_ns + STREAM_NS,
        "{exchange:#?} ends before the last message of {server:#?}"
    );
    let hops = trace.children(exchange.path("response"));
    let body = hops.last().unwrap();
    assert_eq!(body.name, "body", "{hops:#?}");
    assert!(body.duration_ns() >= STREAM_NS / 2, "{body:#?}");
}
