//! Jaeger's own format (<https://www.jaegertracing.io/sdk-migration/#propagation-format>). In:
//! `uber-trace-id`. Out: a context.
//!
//! Reads neither Jaeger's baggage (`uberctx-*`, `jaeger-baggage`) nor `jaeger-debug-id`, which
//! requests a new trace of the receiver.

use super::{
    SAMPLED, TraceContext,
    field::Field,
    id::{Letters, SpanId, TraceId, padded},
};

/// Bit 1 of the flags. Bit 2 is *debug*, "should only be set when the sampled flag is set" and
/// therefore adds nothing; clients report no span without bit 1. Other bits are unused.
const JAEGER_SAMPLED: u8 = 0x01;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Jaeger {
    uber_trace_id: Field<TraceContext>,
}

impl Jaeger {
    /// The format has no rule for a repeated header. The first one counts, as in OpenTelemetry's
    /// propagators.
    pub(super) fn read(&mut self, value: &[u8]) {
        self.uber_trace_id.first(parse(value));
    }

    pub(super) fn context(&self) -> Field<TraceContext> {
        self.uber_trace_id
    }
}

/// `{trace-id}:{span-id}:{parent-span-id}:{flags}`. The span id is the caller's span. The parent is
/// deprecated and ignored by receivers, and ignored here. Digits are base 16 without a rule for the
/// case, and clients drop leading zeros (<https://github.com/jaegertracing/jaeger/issues/1657>).
fn parse(value: &[u8]) -> Option<TraceContext> {
    let (trace_id, rest) = split_at_colon(value)?;
    let (span_id, rest) = split_at_colon(rest)?;
    let (_parent, flags) = split_at_colon(rest)?;
    let [flags] = padded(flags, Letters::AnyCase)?;
    Some(TraceContext {
        trace_id: TraceId::valid(padded(trace_id, Letters::AnyCase)?)?,
        parent_id: SpanId::valid(padded(span_id, Letters::AnyCase)?)?,
        flags: if flags & JAEGER_SAMPLED == 0 {
            0
        } else {
            SAMPLED
        },
    })
}

/// Splits at the first colon, which clients that URL-encode the value send as `%3A`
/// (<https://github.com/jaegertracing/jaeger-client-java/issues/720>). The value has only digits
/// and colons, and an encoder does not escape digits, so any other escape is invalid.
fn split_at_colon(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| matches!(byte, b':' | b'%'))?;
    let (field, rest) = value.split_at(at);
    match rest {
        [b':', rest @ ..] | [b'%', b'3', b'A' | b'a', rest @ ..] => Some((field, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::check;
    use super::*;

    const VALID: &str = "0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1";
    const IDS: &str = "0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331";

    fn check_value(value: &str, expected: &str) {
        check(&format!("uber-trace-id:{value}"), expected);
    }

    #[test]
    fn the_callers_span_is_the_second_field() {
        check_value(VALID, &format!("{IDS}/01"));
        check_value(
            &VALID.replace(":0:", ":53ce929d0e0e4736:"),
            &format!("{IDS}/01"),
        );
        check_value(&format!(" \t{VALID} "), &format!("{IDS}/01"));
        check(&format!("Uber-Trace-Id: {VALID}"), &format!("{IDS}/01"));
    }

    #[test]
    fn leading_zeros_may_be_missing() {
        for (value, expected) in [
            (
                "d43dd8448eb211c8:b7ad6b7169203331:0:1",
                "0000000000000000d43dd8448eb211c8/b7ad6b7169203331/01",
            ),
            (
                "af7651916cd43dd8448eb211c80319c:7ad6b7169203331:0:1",
                "0af7651916cd43dd8448eb211c80319c/07ad6b7169203331/01",
            ),
            (
                "a:b:0:1",
                "0000000000000000000000000000000a/000000000000000b/01",
            ),
            (
                "a:b:c:01",
                "0000000000000000000000000000000a/000000000000000b/01",
            ),
            (
                "000a:00b:0:1",
                "0000000000000000000000000000000a/000000000000000b/01",
            ),
        ] {
            check_value(value, expected);
        }
    }

    #[test]
    fn digits_may_be_in_any_case() {
        check_value(&VALID.to_uppercase(), &format!("{IDS}/01"));
        check_value(
            "aBcD:Ef:0:0B",
            "0000000000000000000000000000abcd/00000000000000ef/01",
        );
    }

    #[test]
    fn colons_may_be_url_encoded() {
        for encoded in ["%3A", "%3a"] {
            check_value(&VALID.replace(':', encoded), &format!("{IDS}/01"));
            check_value(&VALID.replacen(':', encoded, 2), &format!("{IDS}/01"));
        }
        for not_a_colon in ["%3B", "%4A", "%3", "%", "%%3A", "%253A", "\\:"] {
            check_value(&VALID.replace(':', not_a_colon), "malformed");
        }
    }

    #[test]
    fn only_bit_1_decides_sampling() {
        for (flags, expected) in [
            ("0", "00"),
            ("00", "00"),
            ("1", "01"),
            ("01", "01"),
            ("2", "00"),
            ("3", "01"),
            ("03", "01"),
            ("8", "00"),
            ("9", "01"),
            ("ff", "01"),
            ("fe", "00"),
        ] {
            check_value(
                &format!("a:b:0:{flags}"),
                &format!("{:032x}/{:016x}/{expected}", 0xa, 0xb),
            );
        }
    }

    #[test]
    fn the_parent_is_not_read() {
        for parent in [
            "",
            "0",
            "not hexadecimal",
            "0123456789abcdef0123456789abcdef0",
        ] {
            check_value(
                &format!("a:b:{parent}:1"),
                &format!("{:032x}/{:016x}/01", 0xa, 0xb),
            );
        }
    }

    #[test]
    fn invalid_values_are_malformed() {
        for value in [
            "",
            " ",
            "hello",
            ":::",
            "a",
            "a:b",
            "a:b:1",
            "a:b:0:",
            "a:b:0:1:",
            "a:b:0:1:0",
            "a:b:0:100",
            "a:b:0:001",
            "a:b:0:x",
            "a:b:0:-1",
            ":b:0:1",
            "a::0:1",
            "0:b:0:1",
            "a:0:0:1",
            "00000000000000000000000000000000:b:0:1",
            "a:0000000000000000:0:1",
            "0x1:b:0:1",
            "a:+b:0:1",
            "g:b:0:1",
            "a:g:0:1",
            "a b:b:0:1",
            "00af7651916cd43dd8448eb211c80319c:b:0:1",
            "a:0b7ad6b7169203331:0:1",
            "é:b:0:1",
            "a:b:0:1, a:b:0:1",
        ] {
            check_value(value, "malformed");
        }
    }

    #[test]
    fn every_prefix_is_malformed_or_has_shorter_flags() {
        for valid in [
            VALID.to_owned(),
            VALID.replace(':', "%3A"),
            VALID.replace(":1", ":03"),
        ] {
            let flags_at = valid.len()
                - valid
                    .chars()
                    .rev()
                    .position(|c| c == ':' || c == 'A')
                    .unwrap();
            for end in 0..=flags_at {
                check_value(&valid[..end], "malformed");
            }
        }
        check_value(VALID.replace(":1", ":0").as_str(), &format!("{IDS}/00"));
    }

    #[test]
    fn the_first_of_two_counts() {
        check(
            "uber-trace-id: a:b:0:1\nuber-trace-id: c:d:0:1",
            &format!("{:032x}/{:016x}/01", 0xa, 0xb),
        );
        check(
            "uber-trace-id: a:b:0:0\nuber-trace-id: c:d:0:1",
            &format!("{:032x}/{:016x}/00", 0xa, 0xb),
        );
        check("uber-trace-id: x\nuber-trace-id: c:d:0:1", "malformed");
    }

    #[test]
    fn other_headers_of_jaeger_are_not_read() {
        check(
            "uberctx-user: a:b:0:1\njaeger-baggage: k=v\njaeger-debug-id: x",
            "none",
        );
    }

    proptest! {
        /// Compared with the standard library's number formatting, with and without leading zeros.
        #[test]
        fn a_formatted_context_is_parsed_back(
            trace in 1u128..,
            span in 1u64..,
            parent: u64,
            flags: u8,
            width in 0usize..17,
            colon in prop::sample::select(vec![":", "%3A", "%3a"]),
            upper: bool,
        ) {
            let mut value = format!(
                "{trace:0wide$x}{colon}{span:0width$x}{colon}{parent:x}{colon}{flags:x}",
                wide = 2 * width,
            );
            if upper {
                value = value.replace("%3a", "%3A").to_uppercase();
            }
            prop_assert_eq!(parse(value.as_bytes()), Some(TraceContext {
                trace_id: TraceId(trace.to_be_bytes()),
                parent_id: SpanId(span.to_be_bytes()),
                flags: flags & 1,
            }), "{}", value);
        }

        #[test]
        fn no_bytes_make_it_panic(value: Vec<u8>) {
            let _ = parse(&value);
        }

        #[test]
        fn one_changed_byte_never_yields_a_zero_id(at in 0..VALID.len(), byte: u8) {
            let mut value = VALID.as_bytes().to_vec();
            value[at] = byte;
            if let Some(context) = parse(&value) {
                prop_assert_ne!(context.trace_id.0, [0; 16]);
                prop_assert_ne!(context.parent_id.0, [0; 8]);
            }
        }
    }
}
