//! AWS X-Ray
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
//! In: `x-amzn-trace-id`. Out: a context, or the decision to leave a request out that names no
//! span.
//!
//! Other fields of the value are not read: `Self` of load balancers, `Lineage` of Lambda, and
//! whatever applications add.

use super::{
    SAMPLED, TraceContext,
    field::{Field, trim_ows},
    id::{SpanId, TraceId, exact},
};

/// The parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Context(TraceContext),
    /// A trace without a span in it, as load balancers send it to begin one.
    NoSpan {
        /// Whether the trace is not recorded.
        is_denied: bool,
    },
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct XRay {
    trace_id: Field<Message>,
}

impl XRay {
    /// The format has no rule for a repeated header. The first counts, as in OpenTelemetry's
    /// propagators.
    pub(super) fn read(&mut self, value: &[u8]) {
        self.trace_id.first(parse(value));
    }

    pub(super) fn context(&self) -> Field<TraceContext> {
        match self.trace_id {
            Field::Value(Message::Context(context)) => Field::Value(context),
            Field::Value(Message::NoSpan { .. }) | Field::Absent => Field::Absent,
            Field::Malformed => Field::Malformed,
        }
    }

    /// Whether the caller names no span and decided against the trace.
    pub(super) fn denied(&self) -> bool {
        self.trace_id == Field::Value(Message::NoSpan { is_denied: true })
    }
}

/// `Root=1-{8 digits}-{24 digits};Parent={16 digits};Sampled={0, 1 or ?}` in any order. `Root` is
/// required. A field without an equals sign or one of these three sent twice is malformed; an empty
/// field is skipped, because some senders end the value with a semicolon. As OpenTelemetry's
/// propagators have it, names are case-sensitive, digits are in lower case, and spaces around a
/// field are dropped.
fn parse(value: &[u8]) -> Option<Message> {
    let (mut root, mut parent, mut sampled) = (Field::Absent, Field::Absent, Field::Absent);
    let fields = value.split(|byte| *byte == b';').map(trim_ows);
    for field in fields.filter(|field| !field.is_empty()) {
        let equals_at = field.iter().position(|byte| *byte == b'=')?;
        match (&field[..equals_at], &field[equals_at + 1..]) {
            (b"Root", value) => root.only(parse_root(value)),
            (b"Parent", value) => parent.only(exact(value).and_then(SpanId::valid)),
            (b"Sampled", value) => sampled.only(parse_sampled(value)),
            _ => {}
        }
    }
    let Field::Value(trace_id) = root else {
        return None;
    };
    // Without a decision the receiver decides, and its decision is not in this head.
    let decision = match sampled {
        Field::Value(decision) => decision,
        Field::Absent => None,
        Field::Malformed => return None,
    };
    match parent {
        Field::Value(parent_id) => Some(Message::Context(TraceContext {
            trace_id,
            parent_id,
            flags: if decision == Some(true) { SAMPLED } else { 0 },
        })),
        Field::Absent => Some(Message::NoSpan {
            is_denied: decision == Some(false),
        }),
        Field::Malformed => None,
    }
}

/// Version 1: the time of the request in seconds, and 96 random bits. Together they are the trace
/// id, as OpenTelemetry's exporters to X-Ray split it.
fn parse_root(root: &[u8]) -> Option<TraceId> {
    let mut parts = root.strip_prefix(b"1-")?.split(|byte| *byte == b'-');
    let time: [u8; 4] = exact(parts.next()?)?;
    let random: [u8; 12] = exact(parts.next()?)?;
    if parts.next().is_some() {
        return None;
    }
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&time);
    bytes[4..].copy_from_slice(&random);
    TraceId::valid(bytes)
}

/// The decision, which `?` leaves to the receiver.
fn parse_sampled(sampled: &[u8]) -> Option<Option<bool>> {
    match sampled {
        b"0" => Some(Some(false)),
        b"1" => Some(Some(true)),
        b"?" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::check;
    use super::*;

    const VALID: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const IDS: &str = "5759e988bd862e3fe1be46a994272793/53995c3f42cd8ad8";

    fn check_value(value: &str, expected: &str) {
        check(&format!("x-amzn-trace-id:{value}"), expected);
    }

    #[test]
    fn fields_are_read_in_any_order() {
        let fields: Vec<&str> = VALID.split(';').collect();
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let value = order.map(|index| fields[index]).join(";");
            check_value(&value, &format!("{IDS}/01"));
        }
        check_value(&format!(" \t{VALID} "), &format!("{IDS}/01"));
        check_value(&VALID.replace(';', "; "), &format!("{IDS}/01"));
        check_value(&format!("{VALID};"), &format!("{IDS}/01"));
        check(&format!("X-Amzn-Trace-Id: {VALID}"), &format!("{IDS}/01"));
        check(&format!("X-AMZN-TRACE-ID: {VALID}"), &format!("{IDS}/01"));
    }

    #[test]
    fn only_1_is_sampled() {
        for (sampled, expected) in [
            (";Sampled=1", "01"),
            (";Sampled=0", "00"),
            (";Sampled=?", "00"),
            ("", "00"),
        ] {
            let value = VALID.replace(";Sampled=1", sampled);
            check_value(&value, &format!("{IDS}/{expected}"));
        }
    }

    /// As load balancers send it.
    #[test]
    fn a_root_alone_names_no_span() {
        for (value, expected) in [
            (ROOT.to_owned(), "none"),
            (format!("{ROOT};Sampled=1"), "none"),
            (format!("{ROOT};Sampled=?"), "none"),
            (format!("{ROOT};Sampled=0"), "denied"),
            (format!("Sampled=0;{ROOT}"), "denied"),
            (
                format!("{ROOT};Self=1-67891234-12456789abcdef012345678"),
                "none",
            ),
        ] {
            check_value(&value, expected);
        }
    }

    #[test]
    fn other_fields_are_not_read() {
        for other in [
            "Self=1-67891234-12456789abcdef012345678",
            "Lineage=a87bd80c:1|68fd508a:5|c512fbe3:2",
            "CalledFrom=app",
            "root=1-2-3",
            "Sampled2=x",
            "=",
            "a==b",
            "é=é",
        ] {
            check_value(&format!("{other};{VALID}"), &format!("{IDS}/01"));
            check_value(&format!("{VALID};{other}"), &format!("{IDS}/01"));
            check_value(
                &VALID.replacen(';', &format!(";{other};"), 1),
                &format!("{IDS}/01"),
            );
        }
    }

    #[test]
    fn what_the_format_forbids_is_malformed() {
        let with = |root: &str, parent: &str, sampled: &str| {
            format!("Root={root};Parent={parent};Sampled={sampled}")
        };
        let (root, parent) = ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
        for value in [
            "".to_owned(),
            " ".to_owned(),
            ";".to_owned(),
            "hello".to_owned(),
            "Root".to_owned(),
            "Root=".to_owned(),
            "Root=;".to_owned(),
            "Sampled=1".to_owned(),
            "Sampled=0".to_owned(),
            format!("Parent={parent};Sampled=1"),
            format!("root={root};parent={parent};sampled=1"),
            with("", parent, "1"),
            with(&root[1..], parent, "1"),
            with(&root.replacen('1', "2", 1), parent, "1"),
            with(&root.replacen('1', "01", 1), parent, "1"),
            with(&root.replace('-', ""), parent, "1"),
            with(&root.replace('-', ":"), parent, "1"),
            with(&root[..34], parent, "1"),
            with(&format!("{root}0"), parent, "1"),
            with(&format!("{root}-"), parent, "1"),
            with(&format!("{root}-0"), parent, "1"),
            with("1-759e988-bd862e3fe1be46a994272793", parent, "1"),
            with("1-5759e988b-d862e3fe1be46a994272793", parent, "1"),
            with("1-5759E988-bd862e3fe1be46a994272793", parent, "1"),
            with("1-5759e988-bd862e3fe1be46a99427279g", parent, "1"),
            with("1-00000000-000000000000000000000000", parent, "1"),
            with("5759e988bd862e3fe1be46a994272793", parent, "1"),
            with(root, "", "1"),
            with(root, &parent[1..], "1"),
            with(root, &format!("0{parent}"), "1"),
            with(root, &parent.to_uppercase(), "1"),
            with(root, "0000000000000000", "1"),
            with(root, "53995c3f42cd8adg", "1"),
            with(root, parent, ""),
            with(root, parent, "2"),
            with(root, parent, "01"),
            with(root, parent, "true"),
            with(root, parent, "??"),
            with(root, parent, "1,"),
            with(&format!(" {root}"), parent, "1"),
            with(root, parent, "é"),
            format!("{ROOT};Sampled=x"),
            format!("{VALID};x"),
            format!("{VALID};Root={root}"),
            format!("{VALID};Parent={parent}"),
            format!("{VALID};Sampled=1"),
            format!("{VALID}, {VALID}"),
        ] {
            check_value(&value, "malformed");
        }
    }

    #[test]
    fn every_prefix_is_malformed_or_ends_before_an_optional_field() {
        let (root, parent) = (ROOT.len(), VALID.rfind(';').unwrap());
        for end in 0..=VALID.len() {
            let expected = match end {
                _ if end == root || end == root + 1 => "none".to_owned(),
                _ if end == parent || end == parent + 1 => format!("{IDS}/00"),
                _ if end == VALID.len() => format!("{IDS}/01"),
                _ => "malformed".to_owned(),
            };
            check_value(&VALID[..end], &expected);
        }
    }

    #[test]
    fn the_first_of_two_counts() {
        let other = VALID.replace("5759e988", "00000001");
        check(
            &format!("x-amzn-trace-id: {VALID}\nX-Amzn-Trace-Id: {other}"),
            &format!("{IDS}/01"),
        );
        check(
            &format!("x-amzn-trace-id: x\nx-amzn-trace-id: {VALID}"),
            "malformed",
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            trace in 1u128..,
            span in 1u64..,
            state in prop::sample::select(vec!["", ";Sampled=?", ";Sampled=0", ";Sampled=1"]),
        ) {
            let digits = format!("{trace:032x}");
            let (time, random) = digits.split_at(8);
            let value = format!("Root=1-{time}-{random};Parent={span:016x}{state}");
            prop_assert_eq!(parse(value.as_bytes()), Some(Message::Context(TraceContext {
                trace_id: TraceId(trace.to_be_bytes()),
                parent_id: SpanId(span.to_be_bytes()),
                flags: u8::from(state == ";Sampled=1"),
            })), "{}", value);
        }

        #[test]
        fn no_bytes_make_it_panic(value: Vec<u8>) {
            let _ = parse(&value);
            let _ = parse_root(&value);
        }

        #[test]
        fn one_changed_byte_never_yields_a_zero_id(at in 0..VALID.len(), byte: u8) {
            let mut value = VALID.as_bytes().to_vec();
            value[at] = byte;
            if let Some(Message::Context(context)) = parse(&value) {
                prop_assert_ne!(context.trace_id.0, [0; 16]);
                prop_assert_ne!(context.parent_id.0, [0; 8]);
            }
        }
    }
}
