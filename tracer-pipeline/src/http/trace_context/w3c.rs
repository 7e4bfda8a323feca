//! W3C Trace Context level 2 (<https://www.w3.org/TR/trace-context-2/>). In: `traceparent`. Out: a
//! context.
//!
//! Does not read `tracestate`, which can change neither the ids nor the sampling decision. A value
//! of `tracestate` that is needed one day (such as OpenTelemetry's sampling threshold) becomes a
//! second field of [`W3c`], parsed only beside a valid `traceparent` (section 3.3).

use super::{
    RANDOM, SAMPLED, TraceContext,
    field::Field,
    id::{SpanId, TraceId, exact},
};

/// Bytes of a version 00 `traceparent`: four fields of 2, 32, 16 and 2 digits and three dashes.
const TRACEPARENT_LEN: usize = 55;

/// The version that the specification forbids (section 3.2.2.1).
const INVALID_VERSION: u8 = 0xff;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct W3c {
    traceparent: Field<TraceContext>,
}

impl W3c {
    /// A `traceparent` that is sent twice is malformed, even if both are equal: it is no list, so
    /// repeated lines have no defined meaning (RFC 9110 section 5.3). The specification's own test
    /// suite expects a new trace (`test_traceparent_duplicated`).
    pub(super) fn read(&mut self, value: &[u8]) {
        self.traceparent.only(parse(value));
    }

    pub(super) fn context(&self) -> Field<TraceContext> {
        self.traceparent
    }
}

/// Section 3.2.2: `version "-" trace-id "-" parent-id "-" trace-flags`, digits in lower case. A
/// later version may append more after another dash.
pub(super) fn parse(value: &[u8]) -> Option<TraceContext> {
    let (known, added) = value.split_at_checked(TRACEPARENT_LEN)?;
    let mut fields = known.split(|byte| *byte == b'-');
    let [version] = exact(fields.next()?)?;
    let trace_id = TraceId::valid(exact(fields.next()?)?)?;
    let parent_id = SpanId::valid(exact(fields.next()?)?)?;
    let [flags] = exact(fields.next()?)?;
    let end_allowed = match version {
        INVALID_VERSION => false,
        0 => added.is_empty(),
        _ => added.first().is_none_or(|byte| *byte == b'-'),
    };
    end_allowed.then_some(TraceContext {
        trace_id,
        parent_id,
        flags: flags & (SAMPLED | RANDOM),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::check;
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const IDS: &str = "0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331";

    fn check_value(value: &str, expected: &str) {
        check(&format!("traceparent:{value}"), expected);
    }

    #[test]
    fn version_00_is_read() {
        check_value(VALID, &format!("{IDS}/01"));
        check_value(&VALID.replace("-01", "-00"), &format!("{IDS}/00"));
        check_value(&format!(" \t{VALID}\t "), &format!("{IDS}/01"));
        check(&format!("TraceParent: {VALID}"), &format!("{IDS}/01"));
        check(
            &format!("Host: a\ntracestate: k=v\ntraceparent: {VALID}"),
            &format!("{IDS}/01"),
        );
    }

    #[test]
    fn flags_that_level_2_does_not_define_are_dropped() {
        check_value(&VALID.replace("-01", "-ff"), &format!("{IDS}/03"));
        check_value(&VALID.replace("-01", "-02"), &format!("{IDS}/02"));
        check_value(&VALID.replace("-01", "-fc"), &format!("{IDS}/00"));
    }

    #[test]
    fn a_later_version_may_be_longer_after_a_dash() {
        let later = VALID.replacen("00", "cc", 1);
        check_value(&later, &format!("{IDS}/01"));
        check_value(&format!("{later}-"), &format!("{IDS}/01"));
        check_value(
            &format!("{later}-what-the-future-brings"),
            &format!("{IDS}/01"),
        );
        check_value(&format!("{later}.what-the-future-brings"), "malformed");
        check_value(&format!("{later}0"), "malformed");
    }

    #[test]
    fn invalid_values_are_malformed() {
        for value in [
            "",
            " ",
            "00",
            "hello",
            &format!("{VALID}-"),
            &format!("{VALID}-what-the-future-brings"),
            &format!("{VALID}0"),
            &format!("{VALID}, {VALID}"),
            &VALID[1..],
            &VALID.replacen("00", "ff", 1),
            &VALID.replacen("00", "0 ", 1),
            &VALID.replacen("00", "CC", 1),
            &VALID.replace("0af", "0AF"),
            &VALID.replace("b7ad", "B7AD"),
            &VALID.replace("0af", "0xf"),
            &VALID.replace("-01", "-0g"),
            &VALID.replace("-01", "-+1"),
            &VALID.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c8031-9cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-101",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-é",
        ] {
            check_value(value, "malformed");
        }
    }

    #[test]
    fn every_prefix_is_malformed() {
        for end in 0..VALID.len() {
            check_value(&VALID[..end], "malformed");
        }
    }

    #[test]
    fn twice_is_malformed_and_absent_is_none() {
        check("", "none");
        check("Host: a\ntracestate: k=v", "none");
        check("x-traceparent: 1\ntrace-parent: 1", "none");
        check(
            &format!("traceparent: {VALID}\nTraceparent: {VALID}"),
            "malformed",
        );
        check(
            &format!("traceparent: {VALID}\ntraceparent: x\ntraceparent: {VALID}"),
            "malformed",
        );
        check(
            &format!("traceparent: x\ntraceparent: {VALID}"),
            "malformed",
        );
    }

    proptest! {
        #[test]
        fn a_formatted_context_is_parsed_back(trace: [u8; 16], parent: [u8; 8], flags in 0u8..4) {
            prop_assume!(trace != [0; 16] && parent != [0; 8]);
            let context = TraceContext { trace_id: TraceId(trace), parent_id: SpanId(parent), flags };
            let value = format!("00-{}-{}-{flags:02x}", context.trace_id, context.parent_id);
            prop_assert_eq!(parse(value.as_bytes()), Some(context));
        }

        #[test]
        fn no_bytes_make_it_panic(value: Vec<u8>) {
            let _ = parse(&value);
        }

        #[test]
        fn one_changed_byte_never_yields_a_zero_id(at in 0..TRACEPARENT_LEN, byte: u8) {
            let mut value = VALID.as_bytes().to_vec();
            value[at] = byte;
            if let Some(context) = parse(&value) {
                prop_assert_ne!(context.trace_id.0, [0; 16]);
                prop_assert_ne!(context.parent_id.0, [0; 8]);
            }
        }
    }
}
