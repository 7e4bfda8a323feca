//! Header blocks as text, and the values read from them, known and unknown.

mod traceresponse;

use super::*;
use crate::http2::fragments::Direction;
use crate::http2::hpack::Decoder;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-01";

/// A literal field: neither name nor value is indexed.
pub(super) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0x00];
    for text in [name, value] {
        assert!(text.len() < 127 + 128, "one more byte of length");
        match u8::try_from(text.len()) {
            Ok(short @ ..127) => bytes.push(short),
            Ok(long) => bytes.extend([127, long - 127]),
            Err(_) => unreachable!("checked above"),
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The 40th dynamic entry, which is unknown to a decoder that starts in the middle.
const UNKNOWN: &[u8] = &[0x80 | (61 + 40)];

/// A literal under an unknown name.
fn nameless(value: &str) -> Vec<u8> {
    let mut bytes = vec![0x0f, 0x50, u8::try_from(value.len()).unwrap()];
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// One field a line: `name: value`, `?` for an unknown one, `?: value` for an unknown name.
fn block(fields: &str) -> Vec<u8> {
    let encoded = fields
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let encoded = encoded.map(|line| match line.rsplit_once(": ") {
        None => UNKNOWN.to_vec(),
        Some(("?", value)) => nameless(value),
        Some((name, value)) => literal(name, value),
    });
    encoded.collect::<Vec<_>>().concat()
}

fn read(fields: &str) -> Fields {
    let mut decoder = Decoder::new_unknown(retained_part);
    let (fields, decoded) = Fields::read(&mut decoder, &block(fields));
    assert_eq!(decoded, Ok(()));
    fields
}

fn trace(trace: Extraction) -> String {
    match trace {
        Extraction::Context(context) => context.parent_id.to_string(),
        Extraction::None | Extraction::Unknown => "-".to_owned(),
        Extraction::Malformed => "malformed".to_owned(),
        Extraction::Denied => "denied".to_owned(),
    }
}

/// `expected`: `method path authority trace`, then `grpc` and `incomplete`.
fn check_request(fields: &str, expected: &str) {
    let request = read(fields).into_request(false);
    let mut line = format!(
        "{} {} {} {}",
        request
            .method
            .as_ref()
            .map_or("-", |m| m.original().unwrap_or(m.as_str())),
        request.path.as_deref().unwrap_or("-"),
        request.authority.as_deref().unwrap_or("-"),
        trace(request.trace),
    );
    match (request.grpc, &request.rpc) {
        (Some(true), Some(rpc)) => line.push_str(&format!(" grpc={} {}", rpc.service, rpc.method)),
        (Some(true), None) => line.push_str(" grpc"),
        (Some(false), None) => {}
        (None, None) => line.push_str(" grpc?"),
        (_, Some(rpc)) => panic!("{rpc:?} although the request may be no gRPC call"),
    }
    line.push_str(if request.incomplete {
        " incomplete"
    } else {
        ""
    });
    assert_eq!(line, expected, "{fields}");
}

#[test]
fn a_request_is_read() {
    check_request(
        &format!(
            ":method: GET
             :scheme: http
             :authority: shop:8080
             :path: /cart/7?secret=1
             cookie: secret
             traceparent: {TRACEPARENT}"
        ),
        "GET /cart/7 shop:8080 b7ad6b7169203331",
    );
    check_request(
        &format!(
            ":method: POST
             :scheme: http
             :path: /shop.Cart/Add
             :authority: shop
             content-type: application/grpc+proto
             te: trailers
             traceparent: {TRACEPARENT}"
        ),
        "POST /shop.Cart/Add shop b7ad6b7169203331 grpc=shop.Cart Add",
    );
}

/// The same rules as for an HTTP/1.1 head.
#[test]
fn values_are_bounded_and_printable() {
    check_request(":path: /caf\u{e9}", "- /caf%C3%A9 - -");
    check_request(
        &format!(":path: /{}", "a".repeat(200)),
        &format!("- /{} - -", "a".repeat(200)),
    );
    check_request(":method: GET\n:path: *", "GET * - -");
    check_request(":method: PROPFIND", "PROPFIND - - -");
    check_request(":authority: user:secret@shop:80", "- - shop:80 -");
    check_request(":authority: sh op", "- - - -");
    for not_a_path in ["shop/x", "http://shop/x", "?x"] {
        check_request(&format!(":path: {not_a_path}"), "- - - -");
    }
    for not_a_method in ["GE T", "G\u{e9}T"] {
        check_request(&format!(":method: {not_a_method}\n:path: /"), "- / - -");
    }
}

/// RFC 9113 section 8.3.1: `:authority` replaces the host field; neither may be repeated.
#[test]
fn host_is_used_without_an_authority() {
    check_request("host: shop", "- - shop -");
    check_request("host: shop\n:authority: other", "- - other -");
    check_request("host: shop\nhost: shop", "- - - -");
    check_request(":authority: a\n:authority: a", "- - - -");
    check_request(
        ":path: /a\n:path: /b\n:method: GET\n:method: GET\n:method: GET",
        "- - - -",
    );
}

#[test]
fn only_grpc_is_grpc() {
    for (content_type, expected) in [
        ("application/grpc", "- /a.B/C - - grpc=a.B C"),
        ("application/grpc+json", "- /a.B/C - - grpc=a.B C"),
        ("application/grpc; charset=utf-8", "- /a.B/C - - grpc=a.B C"),
        ("application/grpc-web", "- /a.B/C - -"),
        ("application/json", "- /a.B/C - -"),
    ] {
        check_request(
            &format!(":path: /a.B/C\ncontent-type: {content_type}"),
            expected,
        );
    }
    check_request("content-type: application/grpc", "- - - - grpc");
    check_request(
        ":path: /a.B/\ncontent-type: application/grpc",
        "- /a.B/ - - grpc",
    );
    check_request(":path: /B\ncontent-type: application/grpc", "- /B - - grpc");
    check_request(
        ":path: /x/a.B/C\ncontent-type: application/grpc",
        "- /x/a.B/C - - grpc=x/a.B C",
    );
}

/// Neither method nor path nor the absence of gRPC is inferred from missing fields.
#[test]
fn unknown_values_are_not_guessed() {
    check_request("?", "- - - - grpc? incomplete");
    check_request("?\n?: /a.B/C\n?: POST", "- - - - grpc? incomplete");
    check_request("?\ncontent-type: text/html", "- - - - incomplete");
    check_request(
        "?\ncontent-type: application/grpc",
        "- - - - grpc incomplete",
    );
}

#[test]
fn a_nameless_traceparent_is_recognised_by_its_form() {
    check_request(
        &format!("?: {TRACEPARENT}"),
        "- - - b7ad6b7169203331 grpc? incomplete",
    );
    let upper_case = TRACEPARENT.to_uppercase();
    check_request(&format!("?: {upper_case}"), "- - - - grpc? incomplete");
    check_request(
        &format!("?: {}", TRACEPARENT.replacen("00", "ff", 1)),
        "- - - malformed grpc? incomplete",
    );
}

/// Some agents also send the traceparent under a second name. Two different values under unknown
/// names are ambiguous, unless one of the names is known.
#[test]
fn different_nameless_traceparents_are_ambiguous() {
    let twice = format!("?: {TRACEPARENT}\n?: {TRACEPARENT}");
    check_request(&twice, "- - - b7ad6b7169203331 grpc? incomplete");
    let two = format!("?: {TRACEPARENT}\n?: {OTHER}");
    check_request(&two, "- - - - grpc? incomplete");
    let named = format!("?: {TRACEPARENT}\ntraceparent: {OTHER}\n?: {TRACEPARENT}");
    check_request(&named, "- - - 2222222222222222 grpc? incomplete");
    let back = format!("?: {TRACEPARENT}\n?: {OTHER}\n?: {TRACEPARENT}");
    check_request(&back, "- - - - grpc? incomplete");
}

#[test]
fn other_trace_headers_are_read() {
    check_request(
        "b3: 0af7651916cd43dd8448eb211c80319c-00000000000000aa-1",
        "- - - 00000000000000aa",
    );
    check_request(
        "x-b3-traceid: 0af7651916cd43dd8448eb211c80319c\nx-b3-spanid: 00000000000000bb\nx-b3-sampled: 1",
        "- - - 00000000000000bb",
    );
    check_request(
        "uber-trace-id: 0af7651916cd43dd:cc:0:1",
        "- - - 00000000000000cc",
    );
    check_request(
        "x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=00000000000000dd;Sampled=1",
        "- - - 00000000000000dd",
    );
    check_request("b3: 0", "- - - denied");
    check_request(
        &format!("traceparent: {TRACEPARENT}\ntraceparent: {OTHER}"),
        "- - - malformed",
    );
}

fn check_response(fields: &str, expected: (Option<u16>, Option<bool>, Option<u32>, bool)) {
    let r = read(fields).into_response(true);
    assert_eq!(
        (r.status, r.grpc, r.grpc_status, r.incomplete),
        expected,
        "{fields}"
    );
}

#[test]
fn a_response_is_read() {
    check_response(":status: 200", (Some(200), Some(false), None, false));
    check_response(
        ":status: 200\ncontent-type: application/grpc\ngrpc-status: 12",
        (Some(200), Some(true), Some(12), false),
    );
    check_response("?\ngrpc-status: 5", (None, None, Some(5), true));
    for not_a_status in ["20", "2000", "abc", "+20", "099"] {
        check_response(
            &format!(":status: {not_a_status}"),
            (None, Some(false), None, false),
        );
    }
}

#[test]
fn a_code_that_is_no_number_is_unknown() {
    for not_a_code in ["", "-1", "+1", " 1", "4294967296", "x"] {
        let mut decoder = Decoder::new(retained_part);
        let (fields, _) = Fields::read(&mut decoder, &literal("grpc-status", not_a_code));
        assert_eq!(fields.into_trailers().grpc_status, None, "{not_a_code:?}");
    }
}

#[test]
fn trailers_are_read() {
    let trailers = read("grpc-status: 13\ngrpc-message: secret").into_trailers();
    assert_eq!(
        (trailers.grpc_status, trailers.incomplete),
        (Some(13), false)
    );
    let trailers = read("?: 13\n?").into_trailers();
    assert_eq!((trailers.grpc_status, trailers.incomplete), (None, true));
}

/// A block that cannot be decoded to its end yields the fields before the defect, and is
/// incomplete.
#[test]
fn a_broken_block_yields_the_fields_before_the_defect() {
    let mut decoder = Decoder::new(retained_part);
    let bytes = [block(":method: GET"), vec![0xff, 0xff]].concat();
    let (fields, decoded) = Fields::read(&mut decoder, &bytes);
    assert!(decoded.is_err());
    let request = fields.into_request(true);
    assert_eq!(request.method, Some(Method::Get));
    assert!(request.incomplete && request.end_stream && request.grpc.is_none());
}

fn check_kind(
    fields: &str,
    direction: Direction,
    stream: StreamState,
    end: bool,
    expected: Option<MessageKind>,
) {
    let seen = message_kind(&read(fields), direction, stream, end);
    assert_eq!(
        seen, expected,
        "{fields} {direction:?} {stream:?} end {end}"
    );
}

/// Pseudo-header fields decide.
#[test]
fn pseudo_header_fields_decide_the_kind() {
    use Direction::{ToClient, ToServer};
    for state in [
        StreamState::New,
        StreamState::Requested,
        StreamState::Answered,
        StreamState::Old,
    ] {
        for end in [true, false] {
            check_kind(
                ":method: GET",
                ToServer,
                state,
                end,
                Some(MessageKind::Request),
            );
            check_kind(
                "?\n:scheme: http",
                ToServer,
                state,
                end,
                Some(MessageKind::Request),
            );
            check_kind(":status: 200", ToServer, state, end, None);
            check_kind(
                ":status: 200",
                ToClient,
                state,
                end,
                Some(MessageKind::Response),
            );
            check_kind(
                ":status: 103",
                ToClient,
                state,
                end,
                Some(MessageKind::Interim),
            );
            check_kind(":method: GET", ToClient, state, end, None);
        }
    }
}

/// Without pseudo-header fields the state of the stream decides. A block without unknown fields
/// that lacks required pseudo-header fields is malformed.
#[test]
fn the_stream_decides_the_kind_of_unknown_fields() {
    use Direction::{ToClient, ToServer};
    use StreamState::{Answered, New, Old, Requested};
    const TRAILERS: Option<MessageKind> = Some(MessageKind::Trailers);
    for (fields, direction, stream, end, expected) in [
        ("?", ToServer, New, false, TRAILERS),
        ("a: b", ToServer, New, false, None),
        ("a: b", ToServer, Requested, true, TRAILERS),
        ("a: b", ToServer, Requested, false, None),
        ("?", ToServer, Old, true, TRAILERS),
        ("?", ToClient, Requested, false, Some(MessageKind::Response)),
        ("?", ToClient, Requested, true, Some(MessageKind::Response)),
        ("a: b", ToClient, Requested, true, TRAILERS),
        ("a: b", ToClient, Answered, true, TRAILERS),
        ("a: b", ToClient, Answered, false, None),
        ("?", ToClient, Answered, false, Some(MessageKind::Response)),
        ("?", ToClient, Old, true, TRAILERS),
    ] {
        check_kind(fields, direction, stream, end, expected);
    }
}
