//! The page's server: JSON as `page/src/model.ts` describes it, files, and who may ask.

use std::net::SocketAddr;

use serde_json::Value;
use tracer_semconv::attribute;

use crate::fixture::dispatch::dispatch;
use crate::fixture::{SpanBuilder, application, span, spans_of};
use crate::receive;
use crate::running_viewer::RunningViewer;

const NO_BODY: &[u8] = b"";

/// A request as the page sends it. Returns status, headers and body.
fn ask(viewer: &RunningViewer, request: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let page = viewer.bound.page.unwrap();
    let headers = format!("host: {page}\r\nx-hopspan: page\r\n");
    receive::ask(page, request, &headers, body)
}

fn get(viewer: &RunningViewer, path: &str) -> Value {
    let (status, _, body) = ask(viewer, &format!("GET {path}"), NO_BODY);
    let text = String::from_utf8_lossy(&body);
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_what_is_new() {
    let viewer = RunningViewer::start(&["--max-traces", "2"]).await;
    viewer.send(dispatch(1)).await;
    let list = get(&viewer, "/api/sets/live/traces");
    assert_eq!(list["whole"], true);
    let row = &list["rows"][0];
    assert_eq!(row["service"], "client");
    assert_eq!(
        row["applicationSpans"].as_u64().unwrap() + row["dataPlaneSpans"].as_u64().unwrap(),
        388
    );
    let parts = row["applicationNs"].as_u64().unwrap() + row["dataPlaneNs"].as_u64().unwrap();
    assert_eq!(row["durationNs"].as_u64().unwrap(), parts);
    assert_eq!(row["longestHops"].as_array().unwrap().len(), 3);

    let after = list["version"].as_u64().unwrap();
    let traces = |after: u64| format!("/api/sets/live/traces?after={after}");
    let same = get(&viewer, &traces(after));
    assert_eq!(
        (&same["whole"], &same["rows"]),
        (&false.into(), &Value::Array(vec![]))
    );
    viewer.send(dispatch(2)).await;
    viewer.send(dispatch(3)).await;
    let new = get(&viewer, &traces(after));
    let ids: Vec<&str> = new["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [2, 3].map(|n| format!("{n:032x}")));
    assert_eq!(new["removed"], serde_json::json!([format!("{:032x}", 1)]));
    assert!(
        new["losses"][0]
            .as_str()
            .unwrap()
            .starts_with("oldest traces dropped: 1")
    );
    // A page of an earlier viewer has all to learn.
    for unknown in [0, after - 10_000, u64::MAX >> 12] {
        assert_eq!(get(&viewer, &traces(unknown))["whole"], true, "{unknown}");
    }
    viewer.end_without_error().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_has_spans_paths_and_attributes() {
    let viewer = RunningViewer::start(&[]).await;
    viewer.send(dispatch(1)).await;
    let trace = get(&viewer, &format!("/api/sets/live/traces/{:032x}", 1));
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 388);
    for (index, span) in spans.iter().enumerate() {
        let parent = span["parent"].as_u64();
        assert!(parent.is_none_or(|parent| parent < index as u64), "{span}");
    }
    let mut exchanges = trace["exchanges"].as_array().unwrap().iter();
    let exchange = exchanges.find(|of| of["client"] == "client").unwrap();
    let request = &exchange["paths"][1];
    assert_eq!(request["role"], "request");
    assert_eq!(request["from"], "client");
    let hops = request["hops"].as_array().unwrap();
    let sum: u64 = hops
        .iter()
        .map(|hop| hop["durationNs"].as_u64().unwrap())
        .sum();
    let path = &spans[request["span"].as_u64().unwrap() as usize];
    assert_eq!(path["durationNs"].as_u64().unwrap(), sum);
    let translating: Vec<&str> = hops
        .iter()
        .filter(|hop| hop["dnat"] == true)
        .map(|hop| hop["name"].as_str().unwrap())
        .collect();
    assert_eq!(translating, ["netfilter.prerouting"]);
    let response = exchange["paths"][2]["hops"].as_array().unwrap();
    assert!(response.iter().all(|hop| hop["dnat"] == false));
    assert!(
        request["dnat"]["original"]
            .as_str()
            .unwrap()
            .starts_with("10.96.")
    );
    assert!(request["rule"].as_array().unwrap().len() > 2);
    let role = serde_json::json!([attribute::ROLE, "request"]);
    assert!(path["attributes"].as_array().unwrap().contains(&role));
    let longest = &trace["row"]["longestHops"][0];
    let hop = &spans[longest["span"].as_u64().unwrap() as usize];
    assert_eq!(
        (&hop["name"], &hop["durationNs"]),
        (&longest["name"], &longest["durationNs"])
    );

    let comparison = get(&viewer, "/api/sets/live/comparison");
    let edge = &comparison["edges"][0];
    assert_eq!(
        (&edge["client"], &edge["calls"]),
        (&"client".into(), &1.into())
    );
    let worst = &edge["worst"][0];
    let client = &spans[worst["span"].as_u64().unwrap() as usize];
    assert_eq!(client["durationNs"], worst["totalNs"]);
    let before = get(&viewer, "/api/sets/live/comparison?to=1000");
    assert_eq!(
        (&before["traces"], &before["fromMs"]),
        (&0.into(), &Value::Null)
    );
    viewer.end_without_error().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_trace_opens_again() {
    let viewer = RunningViewer::start(&[]).await;
    viewer.send(dispatch(7)).await;
    let trace = format!("/traces/{:032x}", 7);
    let (status, headers, saved) =
        ask(&viewer, &format!("GET /api/sets/live{trace}/otlp"), NO_BODY);
    assert_eq!(status, 200);
    assert!(headers.contains("attachment"), "{headers}");
    let (status, _, set) = ask(&viewer, "POST /api/sets?name=%3Cb%3E", &saved);
    let set: Value = serde_json::from_slice(&set).unwrap();
    assert_eq!(
        (status, &set["name"], &set["traces"]),
        (200, &"<b>".into(), &1.into())
    );
    let opened = get(&viewer, &format!("/api/sets/1{trace}"));
    let live = get(&viewer, &format!("/api/sets/live{trace}"));
    assert_eq!(opened, live);
    assert_eq!(get(&viewer, "/api/sets").as_array().unwrap().len(), 2);

    let (status, _, why) = ask(&viewer, "POST /api/sets", b"{}\n{]");
    assert_eq!(status, 400);
    assert!(
        String::from_utf8(why)
            .unwrap()
            .starts_with("line 2 of the file is not OTLP/JSON")
    );
    for _ in 2..=8 {
        assert_eq!(ask(&viewer, "POST /api/sets", NO_BODY).0, 200);
    }
    assert_eq!(ask(&viewer, "POST /api/sets", NO_BODY).0, 409);
    assert_eq!(ask(&viewer, "DELETE /api/sets/1", NO_BODY).0, 204);
    for gone in [
        "/api/sets/1/traces",
        "/api/sets/x/comparison",
        &format!("/api/sets/1{trace}"),
        &format!("/api/sets/live/traces/{:032x}", 8),
    ] {
        assert_eq!(
            ask(&viewer, &format!("GET {gone}"), NO_BODY).0,
            404,
            "{gone}"
        );
    }
    assert_eq!(ask(&viewer, "GET /api/sets/live/traces/7", NO_BODY).0, 400);
    viewer.end_without_error().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_may_not_ask() {
    let viewer = RunningViewer::start(&[]).await;
    let page = viewer.bound.page.unwrap();
    let status = |request: &str, headers: &str| receive::ask(page, request, headers, NO_BODY).0;
    let host = |host: &str| format!("host: {host}\r\n");
    let own = SocketAddr::from(([127, 0, 0, 1], page.port())).to_string();
    assert_eq!(status("GET /", &host(&own)), 200);
    assert_eq!(status("GET /", &host("rebound.example")), 421);
    assert_eq!(
        status(
            "GET /api/sets",
            &host(&format!("rebound.example:{}", page.port()))
        ),
        421
    );
    assert_eq!(status("POST /api/sets", &host(&own)), 403);
    assert_eq!(status("DELETE /api/sets/1", &host(&own)), 403);
    let (_, headers, body) = ask(&viewer, "GET /", NO_BODY);
    assert!(
        headers.contains("content-security-policy: default-src 'none'"),
        "{headers}"
    );
    assert!(!headers.contains("access-control"), "{headers}");
    let html = String::from_utf8(body).unwrap();
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"));
    viewer.end_without_error().await;
}

/// Names and values are as they were sent, in JSON; without a bound they would fill the memory.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_bounded_text() {
    let viewer = RunningViewer::start(&[]).await;
    let mut hostile = span(1, 0, "<script>alert(1)</script>", 0, 5);
    for number in 0..1_000 {
        hostile = hostile.text(&format!("key{number}"), &"x".repeat(10_000));
    }
    let mut request = application("a", vec![hostile]);
    spans_of(&mut request).push(span(1, 1, "again", 0, 1));
    viewer.send(vec![request]).await;
    let trace = get(&viewer, &format!("/api/sets/live/traces/{:032x}", 1));
    let spans = trace["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0]["name"], "<script>alert(1)</script>");
    let attributes = spans[0]["attributes"].as_array().unwrap();
    assert_eq!(attributes.len(), 256);
    assert!(
        attributes
            .iter()
            .all(|pair| pair[1].as_str().unwrap().len() < 4_200)
    );
    viewer.end_without_error().await;
}
