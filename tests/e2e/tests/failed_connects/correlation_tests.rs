//! Which trace a connect belongs to: what its process was serving when it began, else what its pod was.

use std::time::Duration;

use hopspan_e2e::{Parent, Span, Traces, binary, end, hang, knock as step, pause, send, until};

use crate::fixture::{
    LONG, RESPONSE, Stage, assert_attributes, failed, knock, request, wait_steps,
};

/// Long enough for the agent to have seen that something was read.
const READ: Duration = Duration::from_millis(150);
const SERVED: u16 = 8080;
const BESIDE: u16 = 8081;

/// The connect to a port is below the exchange of this request, in its trace.
fn assert_joined<'t>(
    stage: &Addresses,
    traces: &'t Traces,
    port: u16,
    parent: &Parent,
) -> &'t Span {
    let (_, connect) = failed(traces, (stage.server, port).into());
    let exchange = parent.exchange(traces);
    assert_eq!(connect.trace_id, parent.trace_id, "{connect:#?}");
    assert_eq!(connect.parent_id, exchange.span_id, "{connect:#?}");
    connect.assert_within(exchange);
    assert_eq!(connect.links, []);
    assert_attributes(
        connect,
        &[
            ("hopspan.correlation", "inferred"),
            ("error.type", "connection_refused"),
        ],
    );
    connect
}

/// It is in a trace of its own, with a link to the exchange of each of these requests.
fn assert_alone(stage: &Addresses, traces: &Traces, port: u16, parents: &[&Parent], marked: &str) {
    let (trace, connect) = failed(traces, (stage.server, port).into());
    assert_eq!(connect.parent_id, "", "{connect:#?}");
    assert_eq!(trace.of_role("exchange").count(), 0);
    let mut links = connect.links.clone();
    links.sort();
    let exchanges = parents.iter().map(|parent| {
        let exchange = parent.exchange(traces);
        (parent.trace_id.clone(), exchange.span_id.clone())
    });
    let mut expected: Vec<(String, String)> = exchanges.collect();
    expected.sort();
    assert_eq!(links, expected, "{connect:#?}");
    assert_attributes(connect, &[("hopspan.correlation", marked)]);
}

/// What is left of the stage when the agent has ended.
struct Addresses {
    server: std::net::Ipv4Addr,
}

/// One process serves one request, then two at once, then none.
#[test]
fn one_request_several_or_none() {
    if hopspan_lab::skip("one_request_several_or_none") {
        return;
    }
    let stage = Stage::start("connect-correlation");
    let (one, two, three) = (Parent::new(), Parent::new(), Parent::new());
    let server = [
        // No trace yet, and nothing to serve.
        step(stage.nobody(7000), LONG),
        until(request(&one)),
        pause(READ),
        step(stage.nobody(7001), LONG),
        step(stage.nobody(7002), LONG),
        send(RESPONSE),
        // The client pipelines.
        until(request(&two)),
        until(request(&three)),
        pause(READ),
        step(stage.nobody(7003), LONG),
        send(RESPONSE),
        send(RESPONSE),
        // All answered.
        pause(READ),
        step(stage.nobody(7004), LONG),
        end(),
    ];
    let mut served = stage.serve(SERVED, &server);
    let client = [
        send(request(&one)),
        until("body"),
        send(request(&two)),
        send(request(&three)),
        until("body"),
        until("body"),
        pause(4 * READ),
    ];
    let mut client = stage.ask(SERVED, &client);
    for process in [&mut client, &mut served] {
        let status = process.wait(2 * LONG).unwrap();
        assert!(status.is_some_and(|status| status.success()), "{process:?}");
    }
    let addresses = Addresses {
        server: stage.server.ip(),
    };
    let outcome = stage.finish();
    let traces = &outcome.traces;
    assert_alone(&addresses, traces, 7000, &[], "");
    assert_joined(&addresses, traces, 7001, &one);
    assert_joined(&addresses, traces, 7002, &one);
    assert_alone(&addresses, traces, 7003, &[&two, &three], "ambiguous");
    assert_alone(&addresses, traces, 7004, &[], "");
    let counted = |what| outcome.report.number(&["pipeline", what]);
    assert_eq!(counted("failed_connects"), 5);
    assert_eq!(counted("failed_connects_inferred"), 2);
    assert_eq!(counted("failed_connects_left_out"), 0);
}

/// Several processes of one pod.
#[test]
fn the_process_decides_before_the_pod() {
    if hopspan_lab::skip("the_process_decides_before_the_pod") {
        return;
    }
    let stage = Stage::start("connect-pod");
    let (one, two) = (Parent::new(), Parent::new());
    let idle = |port| {
        let command = stage.server.command(binary("echo").unwrap());
        knock(command, stage.nobody(port), LONG);
    };
    let mut first = stage.serve(SERVED, &[until(request(&one)), hang()]);
    let asks_first = stage.ask(SERVED, &[send(request(&one)), hang()]);
    wait_steps(&mut first, 1);
    std::thread::sleep(READ);
    // The pod serves one request, this process none.
    idle(7010);
    let knocks = [
        until(request(&two)),
        pause(READ),
        step(stage.nobody(7011), LONG),
        hang(),
    ];
    let mut second = stage.serve(BESIDE, &knocks);
    let asks_second = stage.ask(BESIDE, &[send(request(&two)), hang()]);
    // The pod serves two requests, this process one of them.
    wait_steps(&mut second, 3);
    // And another one none.
    idle(7012);
    // A process of another pod.
    let command = stage.client.command(binary("echo").unwrap());
    knock(command, stage.nobody(7013), LONG);
    for mut process in [first, second, asks_first, asks_second] {
        process.kill().unwrap();
    }
    let addresses = Addresses {
        server: stage.server.ip(),
    };
    let outcome = stage.finish();
    let traces = &outcome.traces;
    assert_joined(&addresses, traces, 7010, &one);
    assert_joined(&addresses, traces, 7011, &two);
    assert_alone(&addresses, traces, 7012, &[&one, &two], "ambiguous");
    assert_alone(&addresses, traces, 7013, &[], "");
}
