//! Every format of trace context, on HTTP/1.1 and on HTTP/2: the exchange has the right parent, and
//! there are no spans where the caller decided against a trace.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use hopspan_e2e::{
    DialogueFixture, Parent, Step, Trace, frames,
    http1::{HEAD_END, OK, request},
    send, until,
};

/// The header fields of one request.
struct Case {
    /// The ids in the fields.
    parent: Parent,
    fields: Vec<(&'static str, String)>,
    /// Whether the fields name a trace that is recorded.
    traced: bool,
}

impl Case {
    fn new(traced: bool, fields: impl FnOnce(&Parent) -> Vec<(&'static str, String)>) -> Self {
        let parent = Parent::new();
        Self {
            fields: fields(&parent),
            parent,
            traced,
        }
    }

    /// A case whose trace id has 64 bits: it is padded with zeros.
    fn short(fields: impl FnOnce(&str, &str) -> Vec<(&'static str, String)>) -> Self {
        let id = Parent::new();
        // The half that differs between callers. Not all of them may begin with a zero.
        let short = format!("7{}", &id.trace_id[17..]);
        Self {
            fields: fields(&short, &id.span_id),
            parent: Parent {
                trace_id: format!("0000000000000000{short}"),
                span_id: id.span_id.clone(),
            },
            traced: true,
        }
    }
}

/// A header of AWS X-Ray. `sampled`: its last field.
fn x_ray(parent: &Parent, sampled: &str) -> (&'static str, String) {
    let (time, random) = parent.trace_id.split_at(8);
    let span = &parent.span_id;
    let value = format!("Root=1-{time}-{random};Parent={span};{sampled}");
    ("x-amzn-trace-id", value)
}

fn traced() -> Vec<Case> {
    let ids = |parent: &Parent| (parent.trace_id.clone(), parent.span_id.clone());
    vec![
        Case::new(true, |parent| vec![("traceparent", parent.traceparent())]),
        // The sampled bit is the lowest; later versions define the others.
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![
                ("traceparent", format!("00-{trace}-{span}-03")),
                ("tracestate", "vendor=value".to_owned()),
            ]
        }),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![("b3", format!("{trace}-{span}-1"))]
        }),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![("b3", format!("{trace}-{span}-d-00000000000000aa"))]
        }),
        Case::short(|trace, span| vec![("b3", format!("{trace}-{span}-1"))]),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![
                ("x-b3-traceid", trace),
                ("x-b3-spanid", span),
                ("x-b3-parentspanid", "00000000000000aa".to_owned()),
                ("x-b3-sampled", "1".to_owned()),
            ]
        }),
        Case::short(|trace, span| {
            vec![
                ("x-b3-flags", "1".to_owned()),
                ("x-b3-spanid", span.to_owned()),
                ("x-b3-traceid", trace.to_owned()),
            ]
        }),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![("uber-trace-id", format!("{trace}:{span}:0:1"))]
        }),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![("uber-trace-id", format!("{trace}%3A{span}%3a0%3A1"))]
        }),
        Case::short(|trace, span| vec![("uber-trace-id", format!("{trace}:{span}:0:1"))]),
        Case::new(true, |parent| vec![x_ray(parent, "Sampled=1")]),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            let (time, random) = trace.split_at(8);
            let value = format!(
                "Self=1-2-3;Sampled=1; Parent={span};Root=1-{time}-{random};Lineage=a:1|b:2"
            );
            vec![("x-amzn-trace-id", value)]
        }),
        // The first format that is valid, in the order of precedence.
        Case::new(true, |parent| {
            let (trace, span) = ids(&Parent::new());
            vec![
                x_ray(&Parent::new(), "Sampled=1"),
                ("uber-trace-id", format!("{trace}:{span}:0:1")),
                ("b3", format!("{trace}-{span}-1")),
                ("traceparent", parent.traceparent()),
            ]
        }),
        Case::new(true, |parent| {
            let (trace, span) = ids(parent);
            vec![
                ("traceparent", "00-none-of-it-01".to_owned()),
                ("b3", format!("{trace}-{span}-1")),
            ]
        }),
    ]
}

fn not_traced() -> Vec<Case> {
    let ids = |parent: &Parent| (parent.trace_id.clone(), parent.span_id.clone());
    vec![
        Case::new(false, |parent| {
            let (trace, span) = ids(parent);
            vec![("traceparent", format!("00-{trace}-{span}-00"))]
        }),
        Case::new(false, |parent| {
            let (trace, span) = ids(parent);
            vec![("b3", format!("{trace}-{span}-0"))]
        }),
        Case::new(false, |_| vec![("b3", "0".to_owned())]),
        Case::new(false, |parent| {
            let (trace, span) = ids(parent);
            vec![
                ("x-b3-traceid", trace),
                ("x-b3-spanid", span),
                ("x-b3-sampled", "0".to_owned()),
            ]
        }),
        Case::new(false, |_| vec![("x-b3-sampled", "0".to_owned())]),
        Case::new(false, |parent| {
            let (trace, span) = ids(parent);
            vec![("uber-trace-id", format!("{trace}:{span}:0:0"))]
        }),
        Case::new(false, |parent| vec![x_ray(parent, "Sampled=0")]),
        // The receiver decides.
        Case::new(false, |parent| vec![x_ray(parent, "Sampled=?")]),
        // Not sampled by the first format; the second does not count.
        Case::new(false, |parent| {
            let (trace, span) = ids(parent);
            vec![
                ("traceparent", format!("00-{trace}-{span}-00")),
                ("b3", format!("{trace}-{span}-1")),
            ]
        }),
        // Two headers of one format: which of them is right is not known.
        Case::new(false, |parent| {
            vec![
                ("traceparent", parent.traceparent()),
                ("traceparent", Parent::new().traceparent()),
            ]
        }),
    ]
}

/// The steps of the server and of the client.
type Parts = (Vec<Step>, Vec<Step>);

/// Requests on one HTTP/1.1 connection.
fn http1(cases: &[Case]) -> Parts {
    let server = cases
        .iter()
        .flat_map(|_| [until(HEAD_END), send(OK)])
        .collect();
    let client = cases.iter().enumerate().flat_map(|(index, case)| {
        let lines: String = case
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = request("GET", &format!("/{index}"), &lines);
        [send(head), until("ok")]
    });
    (server, client.collect())
}

/// The same on one HTTP/2 connection.
fn http2(cases: &[Case]) -> Parts {
    let mut server = vec![until(frames::settings()), send(frames::settings())];
    let mut client = vec![send(frames::preface()), until(frames::settings())];
    for (index, case) in cases.iter().enumerate() {
        let stream = 2 * u32::try_from(index).unwrap() + 1;
        let path = format!("/{index}");
        let fields: Vec<(&str, &str)> = case
            .fields
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        let response = frames::response(stream, "200");
        client.extend([send(frames::get(stream, &path, &fields)), until(&response)]);
        server.extend([until(&path), send(response)]);
    }
    (server, client)
}

fn check(label: &str, steps: fn(&[Case]) -> Parts) {
    let cases: Vec<Case> = traced().into_iter().chain(not_traced()).collect();
    let (server, client) = steps(&cases);
    let dialogues = DialogueFixture::start(label).unwrap();
    dialogues.play(&server, &client).unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    let seen = outcome.report().requests();
    assert!(seen >= cases.len() as u64, "{seen} requests were seen");
    for (index, case) in cases.iter().enumerate() {
        let trace = outcome.traces.0.get(&case.parent.trace_id);
        let exchanges = trace.map_or(0, |trace: &Trace| trace.exchanges().len());
        assert_eq!(
            exchanges,
            usize::from(case.traced),
            "exchanges of {:?}",
            case.fields
        );
        if case.traced {
            let exchange = &case.parent.exchange(&outcome.traces);
            let (status, path) = (
                exchange.attribute("http.response.status_code"),
                exchange.attribute("url.path"),
            );
            assert_eq!((status, path), ("200", &*format!("/{index}")));
            assert_eq!(exchange.attribute("hopspan.incomplete"), "");
        }
    }
    let traces = cases.iter().filter(|case| case.traced).count();
    assert_eq!(
        outcome.traces.0.len(),
        traces,
        "{:?}",
        outcome.traces.0.keys()
    );
}

#[test]
fn every_format_on_http1() {
    if hopspan_lab::skip("every_format_on_http1") {
        return;
    }
    check("formats-h1", http1);
}

#[test]
fn every_format_on_http2() {
    if hopspan_lab::skip("every_format_on_http2") {
        return;
    }
    check("formats-h2", http2);
}
