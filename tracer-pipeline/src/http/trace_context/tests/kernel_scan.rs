//! The kernel's scan of HTTP/1 heads beside the reader: no request is left out whose head the
//! reader finds sampled.

use proptest::prelude::*;
use tracer_common::{
    http1::scan::{self, Findings, HeadBytes, Line},
    trace_header::{KernelScan, TraceFormat, TraceHeader},
};

use super::{name, value};
use crate::http::{
    head::RequestHead,
    trace_context::{Extraction, extract},
};

/// The bytes of a head, as the kernel's copy of them: beyond their end there may be anything.
struct Head<'h>(&'h [u8]);

impl HeadBytes for Head<'_> {
    fn length(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap()
    }

    fn word(&self, at: u32) -> u64 {
        let rest = self.0.get(at as usize..).unwrap_or_default();
        let mut bytes = [b'1'; 8];
        let count = rest.len().min(8);
        bytes[..count].copy_from_slice(&rest[..count]);
        u64::from_ne_bytes(bytes)
    }
}

/// Whether the kernel's scan follows a request with this head, which no other request follows.
fn is_followed(head: &[u8], without_context: bool) -> bool {
    let mut findings = Findings::NONE;
    for (at, _) in head.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        match scan::line(&Head(head), u32::try_from(at + 1).unwrap()) {
            Line::Cut => break,
            Line::End(_) => return findings.is_followed(without_context),
            Line::Header(found) => findings = findings.and(found),
            Line::Length(_) => findings = findings.and_length(),
        }
    }
    true
}

/// A request's head with these header lines.
fn head(lines: &str) -> Vec<u8> {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{lines}Accept: */*\r\n\r\n").into_bytes()
}

/// Header lines of a format with a sampled context. A format that is added to the list has to be
/// added here.
fn sampled(format: TraceFormat) -> Vec<String> {
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let line = |header: TraceHeader, value: &str| format!("{}: {value}\r\n", header.name());
    match format {
        TraceFormat::W3c => vec![
            line(TraceHeader::Traceparent, &format!("00-{trace}-{span}-01")),
            line(TraceHeader::Tracestate, "vendor=value"),
        ],
        TraceFormat::B3 => vec![
            line(TraceHeader::B3TraceId, trace),
            line(TraceHeader::B3SpanId, span),
            line(TraceHeader::B3Sampled, "1"),
        ],
        TraceFormat::Jaeger => {
            vec![line(
                TraceHeader::UberTraceId,
                &format!("{trace}:{span}:0:1"),
            )]
        }
        TraceFormat::XRay => {
            let (time, random) = trace.split_at(8);
            let value = format!("Root=1-{time}-{random};Parent={span};Sampled=1");
            vec![line(TraceHeader::AmznTraceId, &value)]
        }
    }
}

/// As it is, in upper case, and as many programs write names: `X-Amzn-Trace-Id`.
fn letter_cases(line: &str) -> [String; 3] {
    let (name, value) = line.split_once(':').unwrap();
    let mut starts_word = true;
    let capitalised = name.chars().map(|letter| {
        let capital = letter.to_ascii_uppercase();
        let written = if starts_word { capital } else { letter };
        starts_word = letter == '-';
        written
    });
    let capitalised: String = capitalised.collect();
    let upper = name.to_ascii_uppercase();
    [name.to_owned(), upper, capitalised].map(|name| format!("{name}:{value}"))
}

/// Fails for a format in the list that the scan neither decides on nor passes on as unclear.
#[test]
fn a_sampled_context_of_every_format_is_followed() {
    for format in TraceFormat::ALL {
        let lines = sampled(format);
        for letter_case in 0..3 {
            let lines = lines
                .iter()
                .map(|line| letter_cases(line)[letter_case].clone());
            let head = head(&lines.collect::<String>());
            let text = String::from_utf8_lossy(&head);
            let trace = RequestHead::parse(&head).unwrap().trace;
            assert!(trace.sampled().is_some(), "the reader knows it: {text}");
            assert!(is_followed(&head, false), "{text}");
        }
    }
}

/// Whatever the value, the scan skips only headers without a decision.
#[test]
fn every_header_is_unclear_unless_the_list_says_otherwise() {
    for header in TraceHeader::ALL {
        let line = format!("{}: what the scan cannot read\r\n", header.name());
        let is_skipped = header.kernel_scan() == KernelScan::Skip;
        for line in letter_cases(&line) {
            assert_eq!(is_followed(&head(&line), false), !is_skipped, "{line}");
        }
        if is_skipped {
            for value in ["0", "1", "d", "a=1"] {
                let extraction = extract([(header.name(), value.as_bytes())].into_iter());
                assert_eq!(extraction, Extraction::None, "{}: {value}", header.name());
            }
        }
    }
}

#[test]
fn only_what_is_certainly_not_sampled_is_left_out() {
    let ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    let x_ray = "X-Amzn-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793";
    // Whether the request is followed, and whether it is `without_context`.
    for (lines, expected) in [
        ("", (false, true)),
        ("tracestate: a=1\r\n", (false, true)),
        ("Upgrade: h2c\r\n", (true, true)),
        ("X-Amz-Date: 20260101T000000Z\r\n", (false, true)),
        ("x-amz\r\n", (false, true)),
        ("b3: 0\r\n", (false, false)),
        ("B3:0\r\n", (false, false)),
        ("b3: 1\r\n", (true, true)),
        (&format!("b3: {ids}-0\r\n"), (true, true)),
        (&format!("traceparent: 00-{ids}-00\r\n"), (false, false)),
        (&format!("TRACEPARENT:00-{ids}-0a\r\n"), (false, false)),
        (&format!("traceparent: 00-{ids}-0b\r\n"), (true, true)),
        (&format!("traceparent: 01-{ids}-00\r\n"), (true, true)),
        (&format!("traceparent: 00-{ids}-00-\r\n"), (true, true)),
        (&format!("traceparent2: 00-{ids}-00\r\n"), (true, true)),
        (
            &format!("traceparent: 00-{ids}-00\r\n").repeat(2),
            (true, true),
        ),
        (
            &format!("b3: 0\r\ntraceparent: 00-{ids}-00\r\n"),
            (false, false),
        ),
        (
            &format!("b3: 0\r\ntraceparent: 00-{ids}-01\r\n"),
            (true, true),
        ),
        (&format!("{x_ray}\r\n"), (true, true)),
        (
            &format!("{x_ray}\r\ntraceparent: 00-{ids}-00\r\n"),
            (true, true),
        ),
    ] {
        let head = head(lines);
        let seen = (is_followed(&head, false), is_followed(&head, true));
        assert_eq!(seen, expected, "{lines}");
    }
}

#[test]
fn a_head_without_its_end_is_followed() {
    let head = head("b3: 0\r\n");
    for end in 0..head.len() - 1 {
        assert!(is_followed(&head[..end], false), "{end}");
    }
    assert!(!is_followed(&head, false));
}

proptest! {
    #[test]
    fn what_is_left_out_is_not_sampled(
        fields in prop::collection::vec((name(), value()), 0..8),
        space: bool,
    ) {
        let mut bytes = b"GET /a HTTP/1.1\r\n".to_vec();
        for (name, value) in &fields {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(if space { b": " } else { b":" });
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        if let Ok(head) = RequestHead::parse(&bytes) && head.trace.sampled().is_some() {
            prop_assert!(is_followed(&bytes, false), "{}", bytes.escape_ascii());
        }
    }
}
