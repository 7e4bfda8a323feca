//! Which trace a failed connect belongs to: that of the request which its process was serving when
//! the connect began, else of the request which its pod was serving.

use std::{net::Ipv4Addr, time::Duration};

use hopspan_e2e::{
    Parent, Traces, end, hang, http1::get_traced, knock, pause, send, until, wait_for_steps,
};

use super::fixture::{FailedConnectFixture, LONG, failed, knock_from};

/// Long enough for the agent to have seen that something was read.
const READ: Duration = Duration::from_millis(150);
/// The ports of two servers.
const FIRST: u16 = 8080;
const SECOND: u16 = 8081;
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";

fn request(parent: &Parent) -> String {
    get_traced("/item", parent)
}

/// Checks that the connect to a port of `server` is in the trace of this request, below its client's
/// span.
fn assert_in_trace(traces: &Traces, server: Ipv4Addr, port: u16, parent: &Parent) {
    let (_, connect) = failed(traces, (server, port).into());
    let exchange = &parent.exchange(traces);
    assert_eq!(connect.trace_id, parent.trace_id, "{connect:#?}");
    assert_eq!(connect.parent_id, parent.span_id, "{connect:#?}");
    connect.assert_within(exchange);
    assert_eq!(connect.links, []);
    connect.assert_attributes(&[
        ("hopspan.correlation", "inferred"),
        ("error.type", "connection_refused"),
    ]);
}

/// Checks that it is in a trace of its own, with links to the client spans of `candidates`.
fn assert_linked(traces: &Traces, server: Ipv4Addr, port: u16, candidates: &[&Parent]) {
    let (trace, connect) = failed(traces, (server, port).into());
    assert_eq!(connect.parent_id, "", "{connect:#?}");
    assert_eq!(trace.exchanges().len(), 0);
    let mut links = connect.links.clone();
    links.sort();
    let clients = candidates
        .iter()
        .map(|parent| (parent.trace_id.clone(), parent.span_id.clone()));
    let mut expected: Vec<(String, String)> = clients.collect();
    expected.sort();
    assert_eq!(links, expected, "{connect:#?}");
    let correlation = match candidates {
        [] => "",
        _ => "ambiguous",
    };
    connect.assert_attributes(&[("hopspan.correlation", correlation)]);
}

/// One process serves one request, then two at once, then none.
#[test]
fn a_connect_while_no_request_one_or_several_are_served() {
    if hopspan_lab::skip("a_connect_while_no_request_one_or_several_are_served") {
        return;
    }
    let fixture = FailedConnectFixture::start("connect-correlation");
    let (one, two, three) = (Parent::new(), Parent::new(), Parent::new());
    let steps = [
        // No request yet.
        knock(fixture.server(7000), LONG),
        until(request(&one)),
        pause(READ),
        knock(fixture.server(7001), LONG),
        knock(fixture.server(7002), LONG),
        send(RESPONSE),
        // The client pipelines.
        until(request(&two)),
        until(request(&three)),
        pause(READ),
        knock(fixture.server(7003), LONG),
        send(RESPONSE),
        send(RESPONSE),
        // All answered.
        pause(READ),
        knock(fixture.server(7004), LONG),
        end(),
    ];
    let mut served = fixture.serve(FIRST, &steps);
    let client = [
        send(request(&one)),
        until("body"),
        send(request(&two)),
        send(request(&three)),
        until("body"),
        until("body"),
        pause(4 * READ),
    ];
    let mut client = fixture.connect(FIRST, &client);
    for process in [&mut client, &mut served] {
        let status = process.wait(2 * LONG).unwrap();
        assert!(status.is_some_and(|status| status.success()), "{process:?}");
    }
    let server = fixture.dialogues.server.ip();
    let outcome = fixture.finish();
    let traces = &outcome.traces;
    assert_linked(traces, server, 7000, &[]);
    assert_in_trace(traces, server, 7001, &one);
    assert_in_trace(traces, server, 7002, &one);
    assert_linked(traces, server, 7003, &[&two, &three]);
    assert_linked(traces, server, 7004, &[]);
    let counted = |what| outcome.report().number(&["pipeline", what]);
    assert_eq!(counted("failed_connects"), 5);
    assert_eq!(counted("failed_connects_inferred"), 2);
    assert_eq!(counted("failed_connects_left_out"), 0);
}

/// Several processes of one pod.
#[test]
fn the_requests_of_the_process_decide_before_those_of_the_pod() {
    if hopspan_lab::skip("the_requests_of_the_process_decide_before_those_of_the_pod") {
        return;
    }
    let fixture = FailedConnectFixture::start("connect-pod");
    let (one, two) = (Parent::new(), Parent::new());
    let knock_without_request = |port| {
        knock_from(&fixture.dialogues.server, fixture.server(port), LONG);
    };
    let mut first = fixture.serve(FIRST, &[until(request(&one)), hang()]);
    let first_client = fixture.connect(FIRST, &[send(request(&one)), hang()]);
    wait_for_steps(&mut first, 1).unwrap();
    std::thread::sleep(READ);
    // The pod serves one request, this process none.
    knock_without_request(7010);
    let knocks = [
        until(request(&two)),
        pause(READ),
        knock(fixture.server(7011), LONG),
        hang(),
    ];
    let mut second = fixture.serve(SECOND, &knocks);
    let second_client = fixture.connect(SECOND, &[send(request(&two)), hang()]);
    // The pod serves two requests, this process one of them.
    wait_for_steps(&mut second, 3).unwrap();
    // A process without a request.
    knock_without_request(7012);
    // A process of another pod.
    knock_from(&fixture.dialogues.client, fixture.server(7013), LONG);
    for mut process in [first, second, first_client, second_client] {
        process.kill().unwrap();
    }
    let server = fixture.dialogues.server.ip();
    let outcome = fixture.finish();
    let traces = &outcome.traces;
    assert_in_trace(traces, server, 7010, &one);
    assert_in_trace(traces, server, 7011, &two);
    assert_linked(traces, server, 7012, &[&one, &two]);
    assert_linked(traces, server, 7013, &[]);
}
