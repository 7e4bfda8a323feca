//! What a watcher is shown, and by which filters.

use hopspan_e2e::{
    DialogueFixture, Parent, frames,
    http1::{HEAD_END, OK, get_traced, request},
    reset, send, until,
};
use serde_json::Value;

use super::Watcher;

/// Plays an exchange of HTTP/1.1.
fn http1(dialogues: &DialogueFixture, head: String) {
    let server = [until(HEAD_END), send(OK)];
    dialogues.play(&server, &[send(head), until("ok")]).unwrap();
}

fn http2(dialogues: &DialogueFixture, parent: &Parent) {
    let server = [
        until(frames::settings()),
        send(frames::settings()),
        until("/http2"),
        send(frames::response(1, "404")),
    ];
    let client = [
        send(frames::preface()),
        until(frames::settings()),
        send(frames::get(
            1,
            "/http2",
            &[("traceparent", &parent.traceparent())],
        )),
        until(frames::response(1, "404")),
    ];
    dialogues.play(&server, &client).unwrap();
}

/// Checks what exchanges through the service have alike.
fn check_parties(line: &Value) {
    assert_eq!(line["kind"], "exchange");
    assert_eq!(line["service"], "dialogue/server", "{line}");
    assert_eq!(line["nat"]["original"], "10.96.0.30:80");
    assert_eq!(line["nat"]["translated"], line["server"]["address"]);
    let rule = line["kube_proxy"]["rule"].as_str().unwrap();
    assert!(rule.contains("KUBE-SVC-"), "{rule}");
    assert_eq!(line["kube_proxy"]["portal"], "ClusterIP");
}

/// Checks that hops add up to their path, and paths lie within the exchange.
fn check_paths(line: &Value, names: &[&str]) {
    let paths = line["paths"].as_array().unwrap();
    let seen: Vec<&str> = paths
        .iter()
        .map(|path| path["name"].as_str().unwrap())
        .collect();
    assert_eq!(seen, names, "{line}");
    let number = |value: &Value| value.as_u64().unwrap();
    for path in paths {
        let hops = path["hops"].as_array().unwrap();
        let sum: u64 = hops.iter().map(|hop| number(&hop["duration_ns"])).sum();
        assert_eq!(sum, number(&path["duration_ns"]), "{path}");
        let end = number(&path["start_ns"]) + sum;
        assert!(end <= number(&line["total_ns"]), "{path} {line}");
    }
    let plane = number(&line["data_plane_ns"]);
    assert!(plane > 0 && plane < number(&line["total_ns"]), "{line}");
}

#[test]
fn exchanges_are_shown_as_they_happen() {
    if hopspan_lab::skip("exchanges_are_shown_as_they_happen") {
        return;
    }
    let dialogues = DialogueFixture::start("watch-shown").unwrap();
    let directory = dialogues.fixture.work_dir();
    let watch = |arguments| Watcher::start(dialogues.node(), directory, arguments);
    let all = watch("");
    let errors = watch("--errors");
    let slow = watch("--min-duration 10s");
    let other = watch("--service other");
    let parents: [Parent; 4] = std::array::from_fn(|_| Parent::new());
    let one = watch(&format!("--trace-id {} --count 1", parents[1].trace_id));

    http1(&dialogues, get_traced("/first", &parents[0]));
    let first = all.shown("/first");
    check_parties(&first);
    check_paths(&first, &["connect", "request", "response"]);
    assert_eq!(first["trace_id"], parents[0].trace_id);
    assert_eq!(
        (&first["method"], &first["http_version"]),
        (&"GET".into(), &"1.1".into())
    );
    assert_eq!(first["status"], 200);
    assert_eq!(first["error"], Value::Null);

    http2(&dialogues, &parents[1]);
    let second = all.shown("/http2");
    check_parties(&second);
    check_paths(&second, &["connect", "request", "response"]);
    assert_eq!(
        (&second["http_version"], &second["status"]),
        (&"2".into(), &404.into())
    );

    http1(&dialogues, request("GET", "/untraced", ""));
    let cut = [send(get_traced("/cut", &parents[2])), until("never")];
    let cut = dialogues.begin(&[until(HEAD_END), reset()], &cut).unwrap();
    let failed = all.shown("/cut");
    check_parties(&failed);
    assert_eq!(failed["error"], "connection_reset", "{failed}");
    assert_eq!(failed["status"], Value::Null);
    drop(cut);
    http1(&dialogues, get_traced("/last", &parents[3]));
    all.shown("/last");

    errors.shown("/cut");
    let paths = |watcher: &Watcher| -> Vec<String> {
        let lines = watcher.lines();
        lines.iter().map(|line| line["path"].to_string()).collect()
    };
    assert_eq!(
        paths(&all),
        ["\"/first\"", "\"/http2\"", "\"/cut\"", "\"/last\""]
    );
    assert_eq!(paths(&errors), ["\"/http2\"", "\"/cut\""]);
    assert!(slow.lines().is_empty() && other.lines().is_empty());
    let of_trace = one.ended();
    assert_eq!(of_trace.len(), 1);
    assert_eq!(of_trace[0]["path"], "/http2");
    // Watching adds no span and takes none.
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    assert_eq!(outcome.traces.0.len(), 4);
    for parent in &parents {
        parent.exchange(&outcome.traces);
    }
}

#[test]
fn a_connect_that_fails_is_shown() {
    if hopspan_lab::skip("a_connect_that_fails_is_shown") {
        return;
    }
    let dialogues = DialogueFixture::start("watch-refused").unwrap();
    let directory = dialogues.fixture.work_dir();
    let watcher = Watcher::start(
        dialogues.node(),
        directory,
        &format!("--errors --pod {} --count 1", dialogues.client.ip()),
    );
    // Nothing listens in the server's pod.
    let url = format!("http://{}/", dialogues.address());
    let refused = dialogues.client.command("curl").args(["-s", &url]);
    refused.output(std::time::Duration::from_secs(10)).unwrap();
    let shown = watcher.ended();
    let line = &shown[0];
    assert_eq!(line["kind"], "failed_connect", "{line}");
    assert_eq!(line["error"], "connection_refused");
    assert_eq!(line["service"], "dialogue/server");
    assert_eq!(line["paths"][0]["name"], "connect");
}
