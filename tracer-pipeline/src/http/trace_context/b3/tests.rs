//! Both encodings, each alone and beside the other.

use proptest::prelude::*;

use super::super::tests::check;
use super::*;

const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";
const PARENT: &str = "05e3ac9a4f6e3b90";

fn check_single(value: &str, expected: &str) {
    check(&format!("b3:{value}"), expected);
}

/// `decision`: headers beside the two ids.
fn check_multi(decision: &str, expected: &str) {
    let ids = format!("X-B3-TraceId: {TRACE}\nX-B3-SpanId: {SPAN}");
    let headers = [&ids, decision].join("\n");
    check(headers.trim_end(), expected);
}

#[test]
fn the_single_header_is_read() {
    for (value, expected) in [
        (format!("{TRACE}-{SPAN}-1-{PARENT}"), "01"),
        (format!("{TRACE}-{SPAN}-d-{PARENT}"), "01"),
        (format!("{TRACE}-{SPAN}-0-{PARENT}"), "00"),
        (format!("{TRACE}-{SPAN}-1-0000000000000000"), "01"),
        (format!("{TRACE}-{SPAN}-1"), "01"),
        (format!("{TRACE}-{SPAN}-d"), "01"),
        (format!("{TRACE}-{SPAN}-0"), "00"),
        (format!("{TRACE}-{SPAN}"), "00"),
        (format!(" \t{TRACE}-{SPAN}-1\t "), "01"),
    ] {
        check_single(&value, &format!("{TRACE}/{SPAN}/{expected}"));
    }
    check(
        &format!("B3: {TRACE}-{SPAN}-1"),
        &format!("{TRACE}/{SPAN}/01"),
    );
}

#[test]
fn a_64_bit_trace_id_is_padded_on_the_left() {
    let padded = format!("000000000000000064fe8b2a57d3eff7/{SPAN}/01");
    check_single(&format!("64fe8b2a57d3eff7-{SPAN}-1"), &padded);
    check(
        &format!("x-b3-traceid: 64fe8b2a57d3eff7\nx-b3-spanid: {SPAN}\nx-b3-sampled: 1"),
        &padded,
    );
    check_single(
        &format!("000000000000000064fe8b2a57d3eff7-{SPAN}-1"),
        &padded,
    );
}

#[test]
fn a_decision_alone_names_no_trace() {
    check_single("0", "denied");
    check_single(" 0 ", "denied");
    check_single("1", "none");
    check_single("d", "none");
    check("x-b3-sampled: 0", "denied");
    check("x-b3-sampled: false", "denied");
    check("x-b3-sampled: 1", "none");
    check("x-b3-flags: 1", "none");
    check("x-b3-flags: 1\nx-b3-sampled: 0", "none");
    check("x-b3-flags: 0", "none");
    check(&format!("x-b3-parentspanid: {PARENT}"), "none");
}

#[test]
fn invalid_single_headers_are_malformed() {
    for value in [
        "",
        " ",
        "-",
        "---",
        "2",
        "D",
        "01",
        "true",
        "hello",
        TRACE,
        "0-1",
        &format!("{TRACE}-"),
        &format!("{TRACE}--1"),
        &format!("{TRACE}-1"),
        &format!("-{SPAN}-1"),
        &format!("{TRACE}-{SPAN}-"),
        &format!("{TRACE}-{SPAN}-2"),
        &format!("{TRACE}-{SPAN}-D"),
        &format!("{TRACE}-{SPAN}-11"),
        &format!("{TRACE}-{SPAN}-true"),
        &format!("{TRACE}-{SPAN}--{PARENT}"),
        &format!("{TRACE}-{SPAN}-{PARENT}"),
        &format!("{TRACE}-{SPAN}-1-"),
        &format!("{TRACE}-{SPAN}-1-{}", &PARENT[1..]),
        &format!("{TRACE}-{SPAN}-1-{PARENT}-"),
        &format!("{TRACE}-{SPAN}-1-{PARENT}-1"),
        &format!("{TRACE}-{SPAN}-1-{}", PARENT.to_uppercase()),
        &format!("{}-{SPAN}-1", TRACE.to_uppercase()),
        &format!("{TRACE}-{}-1", SPAN.to_uppercase()),
        &format!("{}-{SPAN}-1", &TRACE[1..]),
        &format!("{}-{SPAN}-1", &TRACE[17..]),
        &format!("0{TRACE}-{SPAN}-1"),
        &format!("{TRACE}-{}-1", &SPAN[1..]),
        &format!("{TRACE}-0{SPAN}-1"),
        &format!("{TRACE} -{SPAN}-1"),
        &format!("{TRACE}_{SPAN}_1"),
        &format!("{}-{SPAN}-1", "0".repeat(32)),
        &format!("{}-{SPAN}-1", "0".repeat(16)),
        &format!("{TRACE}-{}-1", "0".repeat(16)),
        &format!("{TRACE}-{SPAN}-1, {TRACE}-{SPAN}-1"),
        &format!("{TRACE}-{SPAN}-é"),
    ] {
        check_single(value, "malformed");
    }
}

#[test]
fn every_prefix_is_malformed_or_ends_before_an_optional_part() {
    let whole = format!("{TRACE}-{SPAN}-1-{PARENT}");
    let ids = TRACE.len() + 1 + SPAN.len();
    for end in 0..=whole.len() {
        let expected = match end {
            _ if end == ids => format!("{TRACE}/{SPAN}/00"),
            _ if end == ids + 2 || end == whole.len() => format!("{TRACE}/{SPAN}/01"),
            _ => "malformed".to_owned(),
        };
        check_single(&whole[..end], &expected);
    }
}

#[test]
fn multiple_headers_are_read() {
    for (decision, flags) in [
        ("", "00"),
        ("x-b3-sampled: 1", "01"),
        ("X-B3-Sampled:\t1 ", "01"),
        ("x-b3-sampled: true", "01"),
        ("x-b3-sampled: True", "01"),
        ("x-b3-sampled: 0", "00"),
        ("x-b3-sampled: false", "00"),
        ("x-b3-flags: 1", "01"),
        ("X-B3-Flags: 1", "01"),
        ("x-b3-flags: 0", "00"),
        ("x-b3-flags: 3", "00"),
        ("x-b3-flags: 0\nx-b3-sampled: 1", "01"),
        ("x-b3-parentspanid: 05e3ac9a4f6e3b90\nx-b3-sampled: 1", "01"),
        ("x-b3-parentspanid: not read\nx-b3-sampled: 1", "01"),
    ] {
        check_multi(decision, &format!("{TRACE}/{SPAN}/{flags}"));
    }
}

#[test]
fn invalid_multiple_headers_are_malformed() {
    for sampled in ["", "2", "d", "yes", "01", "1,1", "é"] {
        check_multi(&format!("x-b3-sampled: {sampled}"), "malformed");
        check(&format!("x-b3-sampled: {sampled}"), "malformed");
    }
    for (trace_id, span_id) in [
        ("", SPAN),
        (TRACE, ""),
        ("x", SPAN),
        (TRACE, "x"),
        (&TRACE[1..], SPAN),
        (TRACE, &SPAN[1..]),
        (&TRACE.to_uppercase(), SPAN),
        (TRACE, &SPAN.to_uppercase()),
        (&"0".repeat(32), SPAN),
        (TRACE, &"0".repeat(16)),
    ] {
        check(
            &format!("x-b3-traceid: {trace_id}\nx-b3-spanid: {span_id}\nx-b3-sampled: 1"),
            "malformed",
        );
    }
}

#[test]
fn one_id_without_the_other_is_malformed() {
    for decision in [
        "",
        "\nx-b3-sampled: 1",
        "\nx-b3-sampled: 0",
        "\nx-b3-flags: 1",
    ] {
        check(&format!("x-b3-traceid: {TRACE}{decision}"), "malformed");
        check(&format!("x-b3-spanid: {SPAN}{decision}"), "malformed");
    }
}

#[test]
fn every_prefix_of_the_multiple_headers_is_malformed_or_deferred() {
    let lines = [
        format!("x-b3-traceid: {TRACE}"),
        format!("x-b3-spanid: {SPAN}"),
        format!("x-b3-parentspanid: {PARENT}"),
        "x-b3-sampled: 1".to_owned(),
    ];
    for (sent, expected) in ["none", "malformed", "/00", "/00", "/01"]
        .iter()
        .enumerate()
    {
        let expected = match expected.strip_prefix('/') {
            Some(flags) => format!("{TRACE}/{SPAN}/{flags}"),
            None => (*expected).to_owned(),
        };
        check(&lines[..sent].join("\n"), &expected);
    }
}

#[test]
fn debug_implies_accept_whatever_x_b3_sampled_is() {
    for sampled in ["0", "1", "false", "", "2"] {
        for decision in [
            format!("x-b3-flags: 1\nx-b3-sampled: {sampled}"),
            format!("x-b3-sampled: {sampled}\nx-b3-flags: 1"),
        ] {
            check_multi(&decision, &format!("{TRACE}/{SPAN}/01"));
        }
    }
}

#[test]
fn the_first_of_two_counts() {
    let other = "463ac35c9f6413ad48485a3953bb6124";
    let ids = format!("{TRACE}/{SPAN}");
    check_multi(
        &format!("x-b3-traceid: {other}\nx-b3-spanid: {PARENT}\nx-b3-sampled: 1"),
        &format!("{ids}/01"),
    );
    check_multi("x-b3-sampled: 0\nx-b3-sampled: 1", &format!("{ids}/00"));
    check_multi("x-b3-sampled: 1\nx-b3-sampled: 0", &format!("{ids}/01"));
    check_multi("x-b3-sampled: x\nx-b3-sampled: 1", "malformed");
    check_multi("x-b3-flags: 0\nx-b3-flags: 1", &format!("{ids}/00"));
    check(
        &format!("b3: {TRACE}-{SPAN}-0\nb3: {other}-{PARENT}-1"),
        &format!("{ids}/00"),
    );
    check(&format!("b3: x\nb3: {TRACE}-{SPAN}-1"), "malformed");
}

#[test]
fn the_single_header_takes_precedence() {
    let multi = "x-b3-traceid: 463ac35c9f6413ad48485a3953bb6124\nx-b3-spanid: a2fb4a1d1a96d312";
    let from_multi = "463ac35c9f6413ad48485a3953bb6124/a2fb4a1d1a96d312";
    for (single, decision, expected) in [
        (
            format!("{TRACE}-{SPAN}-1"),
            "1",
            format!("{TRACE}/{SPAN}/01"),
        ),
        (
            format!("{TRACE}-{SPAN}-0"),
            "1",
            format!("{TRACE}/{SPAN}/00"),
        ),
        (format!("{TRACE}-{SPAN}"), "1", format!("{TRACE}/{SPAN}/00")),
        (
            format!("{TRACE}-{SPAN}-1"),
            "0",
            format!("{TRACE}/{SPAN}/01"),
        ),
        (
            format!("{TRACE}-{SPAN}-1"),
            "x",
            format!("{TRACE}/{SPAN}/01"),
        ),
        // A decision is a valid header too.
        ("0".to_owned(), "1", "denied".to_owned()),
        ("1".to_owned(), "1", "none".to_owned()),
        // A malformed single header gives way.
        (TRACE.to_owned(), "1", format!("{from_multi}/01")),
        ("x".to_owned(), "0", format!("{from_multi}/00")),
        ("x".to_owned(), "x", "malformed".to_owned()),
    ] {
        let single = format!("b3: {single}");
        let multi = format!("{multi}\nx-b3-sampled: {decision}");
        check(&format!("{single}\n{multi}"), &expected);
        check(&format!("{multi}\n{single}"), &expected);
    }
    check("b3: x\nx-b3-sampled: 0", "denied");
    check(
        &format!("b3: {TRACE}-{SPAN}-1\nx-b3-sampled: 0"),
        &format!("{TRACE}/{SPAN}/01"),
    );
}

proptest! {
    #[test]
    fn a_formatted_context_is_parsed_back(
        trace in 1u128..,
        short: bool,
        span in 1u64..,
        parent: Option<u64>,
        state in prop::sample::select(vec!["0", "1", "d"]),
    ) {
        let trace = if short { trace >> 64 | 1 } else { trace };
        let width = if short { 16 } else { 32 };
        let context = TraceContext {
            trace_id: TraceId(trace.to_be_bytes()),
            parent_id: SpanId(span.to_be_bytes()),
            flags: u8::from(state != "0"),
        };
        let mut value = format!("{trace:0width$x}-{span:016x}-{state}");
        if let Some(parent) = parent {
            value.push_str(&format!("-{parent:016x}"));
        }
        prop_assert_eq!(parse_single(value.as_bytes()), Some(B3Value::Context(context)));

        let mut multi = B3::default();
        multi.read_trace_id(format!("{trace:0width$x}").as_bytes());
        multi.read_span_id(format!("{span:016x}").as_bytes());
        match state {
            "d" => multi.read_flags(b"1"),
            _ => multi.read_sampled(state.as_bytes()),
        }
        prop_assert_eq!(multi.context(), Field::Value(context));
        prop_assert!(!multi.denied());
    }

    #[test]
    fn no_bytes_make_it_panic(value: Vec<u8>) {
        let _ = parse_single(&value);
        let _ = parse_sampled(&value);
        let _ = parse_trace_id(&value);
        let _ = parse_span_id(&value);
    }

    #[test]
    fn one_changed_byte_never_yields_a_zero_id(at in 0usize..68, byte: u8) {
        let mut value = format!("{TRACE}-{SPAN}-1-{PARENT}").into_bytes();
        value[at] = byte;
        if let Some(B3Value::Context(context)) = parse_single(&value) {
            prop_assert_ne!(context.trace_id.0, [0; 16]);
            prop_assert_ne!(context.parent_id.0, [0; 8]);
        }
    }
}
