//! All formats in one head: precedence, conflicts, sampling. The tests of each format are in its
//! module.

mod kernel_scan;

use proptest::prelude::*;

use super::*;

/// `headers`: one `name: value` a line. `expected`: `trace/parent/flags`, `none`, `malformed` or
/// `denied`.
pub(super) fn check(headers: &str, expected: &str) {
    let fields = || {
        headers.lines().map(|line| {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            (name, value.as_bytes())
        })
    };
    let mut reader = Reader::default();
    fields().for_each(|(name, value)| reader.read(name, value));
    let seen = match extract(fields()) {
        Extraction::Context(c) => format!("{}/{}/{:02x}", c.trace_id, c.parent_id, c.flags),
        Extraction::None => "none".to_owned(),
        Extraction::Malformed => "malformed".to_owned(),
        Extraction::Denied => "denied".to_owned(),
        Extraction::Unknown => panic!("a complete head is never unknown"),
    };
    assert_eq!(seen, expected, "{headers:?}");
    assert_eq!(reader.extraction(), extract(fields()), "{headers:?}");
}

/// The headers of each format in order of precedence. Each format has a trace of its own, so that
/// the result shows which format it came from. `state` is `sampled`, `unsampled` or `malformed`.
fn headers_of(format: usize, state: &str) -> String {
    let trace = format!("{:032x}", 0xa0 + format);
    let flag = if state == "unsampled" { "0" } else { "1" };
    let span = if state == "malformed" {
        "0000000000000000"
    } else {
        "b7ad6b7169203331"
    };
    match format {
        0 => format!("traceparent: 00-{trace}-{span}-0{flag}\n"),
        1 => format!("b3: {trace}-{span}-{flag}\n"),
        2 => format!("x-b3-traceid: {trace}\nx-b3-spanid: {span}\nx-b3-sampled: {flag}\n"),
        3 => format!("uber-trace-id: {trace}:{span}:0:{flag}\n"),
        _ => {
            let (time, random) = trace.split_at(8);
            format!("x-amzn-trace-id: Root=1-{time}-{random};Parent={span};Sampled={flag}\n")
        }
    }
}

const FORMATS: usize = 5;
const STATES: [&str; 4] = ["absent", "malformed", "unsampled", "sampled"];

/// Every format in every state beside every other: the first valid format counts, sampled or not.
#[test]
fn precedence() {
    for combination in 0..STATES.len().pow(FORMATS as u32) {
        let states: Vec<&str> = (0..FORMATS)
            .map(|format| STATES[combination >> (2 * format) & 3])
            .collect();
        let sent = |format: &usize| states[*format] != "absent";
        let heads: Vec<String> = (0..FORMATS)
            .filter(sent)
            .map(|format| headers_of(format, states[format]))
            .collect();
        let valid = states.iter().position(|state| state.ends_with("sampled"));
        let expected = match valid {
            Some(format) => format!(
                "{:032x}/b7ad6b7169203331/0{}",
                0xa0 + format,
                u8::from(states[format] == "sampled"),
            ),
            None if heads.is_empty() => "none".to_owned(),
            None => "malformed".to_owned(),
        };
        check(&heads.concat(), &expected);
        check(&heads.iter().rev().cloned().collect::<String>(), &expected);
    }
}

#[test]
fn a_traceparent_that_is_sent_twice_gives_way() {
    let twice = headers_of(0, "sampled").repeat(2);
    check(&twice, "malformed");
    for format in 1..FORMATS {
        check(
            &[twice.clone(), headers_of(format, "sampled")].concat(),
            &format!("{:032x}/b7ad6b7169203331/01", 0xa0 + format),
        );
    }
}

/// A decision not to start a trace does not apply to a trace that another format names.
#[test]
fn a_decision_without_ids_denies_no_trace_that_another_format_names() {
    for denied in [
        "b3: 0\n",
        "x-b3-sampled: 0\n",
        "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0\n",
    ] {
        check(denied, "denied");
        for format in [0, 3] {
            for (state, expected) in [
                (
                    "sampled",
                    format!("{:032x}/b7ad6b7169203331/01", 0xa0 + format),
                ),
                (
                    "unsampled",
                    format!("{:032x}/b7ad6b7169203331/00", 0xa0 + format),
                ),
                ("malformed", "denied".to_owned()),
            ] {
                check(&[denied, &headers_of(format, state)].concat(), &expected);
            }
        }
    }
}

#[test]
fn no_other_header_is_read() {
    let context = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";
    for name in [
        "host",
        "cookie",
        "baggage",
        "tracestate",
        "b3-",
        "x-b3",
        "x-b3-trace-id",
        "x-b3-parentspanid",
        "x-b3-debug",
        "uber-trace",
        "uber-trace-id2",
        "uberctx-b3",
        "jaeger-debug-id",
        "jaeger-baggage",
        "x-amzn-trace",
        "x-amzn-requestid",
        "traceparent2",
        "",
    ] {
        for value in [context, "0", "x", &format!("b3={context}")] {
            check(&format!("{name}: {value}"), "none");
        }
    }
}

#[test]
fn only_a_sampled_context_is_sampled() {
    for format in 0..FORMATS {
        for state in ["sampled", "unsampled", "malformed"] {
            let head = headers_of(format, state);
            let fields = head.lines().filter_map(|line| line.split_once(':'));
            let extraction = extract(fields.map(|(name, value)| (name, value.as_bytes())));
            assert_eq!(
                extraction.sampled().is_some(),
                state == "sampled",
                "{head:?}"
            );
            assert!(extraction.sampled().is_none_or(|context| context.sampled()));
        }
    }
    assert_eq!(Extraction::None.sampled(), None);
    assert_eq!(Extraction::Malformed.sampled(), None);
}

/// Names of trace headers in any case, and other names.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("traceparent".to_owned()),
        Just("b3".to_owned()),
        Just("x-b3-traceid".to_owned()),
        Just("x-b3-spanid".to_owned()),
        Just("x-b3-sampled".to_owned()),
        Just("x-b3-flags".to_owned()),
        Just("uber-trace-id".to_owned()),
        Just("x-amzn-trace-id".to_owned()),
        Just("X-B3-TraceId".to_owned()),
        ".{0,12}",
    ]
}

/// Values that are often nearly valid.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[01d]".prop_map(String::into_bytes),
        "0{0,16}[0-9a-fA-F]{16}".prop_map(String::into_bytes),
        "[0-9a-f]{32}-[0-9a-f]{16}(-[01dx](-[0-9a-f]{16})?)?".prop_map(String::into_bytes),
        "[0-9a-f]{1,32}(:|%3A)[0-9a-f]{1,16}(:|%3A)0(:|%3A)[0-9a-f]{1,2}"
            .prop_map(String::into_bytes),
        "Root=1-[0-9a-f]{8}-[0-9a-f]{24};(Self=x;)?(Parent=[0-9a-f]{16};)?Sampled=[01?]"
            .prop_map(String::into_bytes),
        "(00|cc|ff)-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-x)?".prop_map(String::into_bytes),
    ]
}

fn extract_all(fields: &[(String, Vec<u8>)]) -> Extraction {
    extract(fields.iter().map(|(name, value)| (&**name, &**value)))
}

proptest! {
    #[test]
    fn any_head_yields_a_valid_context_or_none(
        fields in prop::collection::vec((name(), value()), 0..8),
    ) {
        if let Extraction::Context(context) = extract_all(&fields) {
            prop_assert_ne!(context.trace_id.0, [0; 16]);
            prop_assert_ne!(context.parent_id.0, [0; 8]);
            prop_assert_eq!(context.flags & !(SAMPLED | RANDOM), 0);
        }
    }

    /// Unless a name is repeated, neither the order nor other fields matter.
    #[test]
    fn order_does_not_matter(
        (fields, shuffled) in prop::collection::btree_map("traceparent|b3|x-b3-(traceid|spanid|sampled|flags)|uber-trace-id|x-amzn-trace-id|host", value(), 0..8)
            .prop_map(|fields| fields.into_iter().collect::<Vec<_>>())
            .prop_flat_map(|fields| (Just(fields.clone()), Just(fields).prop_shuffle())),
    ) {
        prop_assert_eq!(extract_all(&fields), extract_all(&shuffled));
    }
}
