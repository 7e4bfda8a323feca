//! `traceresponse`, by which a server names its span in a response (draft of W3C Trace Context,
//! <https://w3c.github.io/trace-context/#traceresponse-header>). In: header fields of a response.
//! Out: [`ServerSpan`].
//!
//! The value has the fields of a `traceparent`, with the server's span in place of the parent. As a
//! `traceparent`, it is ignored if it is sent twice or malformed. Where the trace is not sampled,
//! the server has recorded no span.

use super::{
    field::{Field, trim_ows},
    id::{SpanId, TraceId},
    w3c,
};

/// The name of the field in lower case.
pub const NAME: &str = "traceresponse";

/// A span that the server has recorded for a request, in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSpan {
    /// The server's trace.
    pub trace_id: TraceId,
    /// The server's span.
    pub span_id: SpanId,
}

/// Reads the head of a response field by field. Stores the ids and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traceresponse {
    /// `None` of a trace that is not sampled.
    field: Field<Option<ServerSpan>>,
}

impl Traceresponse {
    /// Takes the next field of the head; its name may be in any letter case.
    pub fn note(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case(NAME) {
            self.read(value);
        }
    }

    /// Takes the value of a `traceresponse`.
    pub fn read(&mut self, value: &[u8]) {
        let context = w3c::parse(trim_ows(value));
        self.field.only(context.map(|context| {
            context.sampled().then_some(ServerSpan {
                trace_id: context.trace_id,
                span_id: context.parent_id,
            })
        }));
    }

    /// Whether the head has such a field, valid or not.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.field != Field::Absent
    }

    /// The server's span, if the field is valid and its trace is sampled.
    #[must_use]
    pub fn server_span(&self) -> Option<ServerSpan> {
        match self.field {
            Field::Value(span) => span,
            Field::Absent | Field::Malformed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// `expected`: the ids, or nothing.
    fn check(values: &[&str], expected: &str) {
        let mut read = Traceresponse::default();
        values
            .iter()
            .for_each(|value| read.note("TraceResponse", value.as_bytes()));
        let span = read.server_span();
        let ids = span.map(|span| format!("{}/{}", span.trace_id, span.span_id));
        assert_eq!(ids.unwrap_or_default(), expected, "{values:?}");
        assert_eq!(read.is_sent(), !values.is_empty());
    }

    #[test]
    fn one_valid_and_sampled_field_names_the_span_of_the_server() {
        let ids = "0af7651916cd43dd8448eb211c80319c/b7ad6b7169203331";
        check(&[VALID], ids);
        check(&[&format!(" {VALID}\t")], ids);
        check(&[&VALID.replace("-01", "-03")], ids);
        check(&[&VALID.replace("-01", "-00")], "");
        check(&[], "");
    }

    #[test]
    fn several_and_malformed_fields_are_ignored() {
        check(&[VALID, VALID], "");
        check(&[VALID, "x"], "");
        check(&["x", VALID], "");
        check(&[&format!("{VALID}, {VALID}")], "");
        for malformed in [
            "",
            "00---01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            &VALID.to_uppercase().replace("00-", "0X-"),
            &VALID.replace("0af", "0AF"),
        ] {
            check(&[malformed], "");
        }
        for end in 0..VALID.len() {
            check(&[&VALID[..end]], "");
        }
    }

    #[test]
    fn other_fields_are_not_read() {
        let mut read = Traceresponse::default();
        for name in ["traceparent", "trace-response", "traceresponse2", ""] {
            read.note(name, VALID.as_bytes());
        }
        assert_eq!(read, Traceresponse::default());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(values: Vec<Vec<u8>>) {
            let mut read = Traceresponse::default();
            values.iter().for_each(|value| read.read(value));
            let _ = read.server_span();
        }
    }
}
