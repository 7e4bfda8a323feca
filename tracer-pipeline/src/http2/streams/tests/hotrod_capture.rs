//! A captured connection: HotROD's calls of its driver service, as grpc-go encoded them.

use super::*;
use crate::http2::frame::PREFACE;

const CLIENT: &[u8] = include_bytes!("../../../../tests/fixtures/http2/hotrod-driver-client.bin");
const SERVER: &[u8] = include_bytes!("../../../../tests/fixtures/http2/hotrod-driver-server.bin");
const SEGMENTS: &str = include_str!("../../../../tests/fixtures/http2/hotrod-driver-segments.txt");

/// Both calls. Another decoder reads the callers' spans from the capture.
fn expected() -> Vec<String> {
    let client = &CLIENT[PREFACE.len()..];
    let mut decoder = loona_hpack::Decoder::new();
    let mut expected = Vec::new();
    for (at, header) in wire::frames(client) {
        if header.kind != FrameType::Headers {
            continue;
        }
        let block = &client[at + 9..at + header.frame_bytes() as usize];
        let fields = decoder.decode(block).expect("grpc-go's encoding");
        let traceparent = fields.iter().find(|(name, _)| name == b"traceparent");
        let traceparent = String::from_utf8_lossy(&traceparent.expect("a trace context").1);
        let (stream, parent) = (header.stream, &traceparent[36..52]);
        expected.extend([
            format!("request {stream} POST /driver.DriverService/FindNearest {parent}"),
            format!("response {stream} 200"),
            format!("trailers {stream} grpc=0"),
        ]);
    }
    assert_eq!(expected.len(), 6, "two calls");
    expected
}

/// The fragments in the order of their segments.
fn captured() -> Vec<Captured> {
    let ends = |side: &str| -> Vec<usize> {
        let mut end = 0;
        let sent = SEGMENTS.lines().filter_map(|line| line.strip_prefix(side));
        sent.map(|bytes| {
            end += bytes.trim().parse::<usize>().expect("a number of bytes");
            end
        })
        .collect()
    };
    let preface = PREFACE.len();
    assert_eq!(&CLIENT[..preface], PREFACE);
    let client_ends: Vec<usize> = ends("client").iter().map(|end| end - preface).collect();
    let server_ends = ends("server");
    let client = wire::capture(
        Direction::ToServer,
        preface as u32,
        &CLIENT[preface..],
        &client_ends,
    );
    let server = wire::capture(Direction::ToClient, 0, SERVER, &server_ends);

    let (mut client, mut server) = (client.into_iter().peekable(), server.into_iter().peekable());
    let (mut client_end, mut server_end) = (0, 0);
    let mut captured = Vec::new();
    for line in SEGMENTS.lines() {
        let (side, bytes) = line.split_once(' ').expect("side and bytes");
        let bytes: u32 = bytes.parse().expect("a number of bytes");
        let (fragments, end) = match side {
            "client" => (&mut client, &mut client_end),
            _ => (&mut server, &mut server_end),
        };
        *end += bytes;
        captured.extend(std::iter::from_fn(|| fragments.next_if(|f| f.seq < *end)));
    }
    assert_eq!((client.next(), server.next()), (None, None));
    captured
}

#[test]
fn both_calls_are_decoded_completely() {
    let mut connection = Http2Connection::new(Start::Preface);
    assert_eq!(lines(&mut connection, &captured()), expected());
    let counts = ConnectionCounts {
        blocks: 6,
        ..ConnectionCounts::default()
    };
    assert_eq!(connection.counts(), counts);
}

/// Both are gRPC calls, to the service and method in the path.
#[test]
fn both_calls_are_grpc() {
    let events = feed(&mut Http2Connection::new(Start::Preface), &captured());
    let mut calls = 0;
    for event in events {
        if let Event::Request { headers, .. } = event {
            let rpc = headers.rpc.expect("service and method");
            assert_eq!(
                (&*rpc.service, &*rpc.method),
                ("driver.DriverService", "FindNearest")
            );
            assert_eq!(headers.authority.as_deref(), Some("127.0.0.1:8082"));
            assert!(headers.trace.sampled().is_some());
            calls += 1;
        }
    }
    assert_eq!(calls, 2);
}

/// Started at any fragment in the middle of the connection: every reported value equals that of the
/// whole connection, or is unknown; and every request has its trace context.
#[test]
fn started_at_any_fragment_no_value_is_wrong() {
    let all = captured();
    let whole = feed(&mut Http2Connection::new(Start::Preface), &all);
    for from in 0..all.len() {
        let mut connection = Http2Connection::new(Start::Middle);
        let seen = feed(&mut connection, &all[from..]);
        for event in &seen {
            match event {
                Event::Request {
                    stream: s,
                    seq: q,
                    headers: h,
                } => {
                    let truth = whole.iter().find_map(|event| match event {
                        Event::Request {
                            stream,
                            seq,
                            headers,
                        } if (stream, seq) == (s, q) => Some(headers),
                        _ => None,
                    });
                    let truth = truth.expect("a request of the whole connection");
                    assert_eq!(h.trace, truth.trace, "from {from}");
                    assert_eq!(
                        h.method, truth.method,
                        "grpc-go encodes the method with the static table"
                    );
                    assert!(h.path.is_none() || h.path == truth.path, "from {from}");
                    assert!(h.grpc.is_none() || h.grpc == truth.grpc, "from {from}");
                }
                Event::Response { headers: h, .. } => assert_eq!(h.status, Some(200)),
                Event::Trailers { trailers: t, .. } => {
                    assert!(matches!(t.grpc_status, None | Some(0)), "from {from}");
                }
                other => panic!("{other:?} from {from}"),
            }
        }
        let requests = |events: &[Event]| {
            events
                .iter()
                .filter(|event| matches!(event, Event::Request { .. }))
                .count()
        };
        let left = all[from..]
            .iter()
            .filter(|f| f.direction == Direction::ToServer && f.bytes[3] == 1);
        assert_eq!(requests(&seen), left.count(), "from {from}");
        assert_eq!(connection.counts().desynchronised, 0, "from {from}");
    }
}

/// The same without any one of the fragments; the loss is counted.
#[test]
fn without_any_one_fragment_no_value_is_wrong() {
    let all = captured();
    for lost in 0..all.len() {
        let direction = all[lost].direction;
        let mut left = all.clone();
        left.remove(lost);
        let next = left[lost..].iter_mut().find(|f| f.direction == direction);
        let announced = next.map(|next| next.lost_before = true).is_some();
        let mut connection = Http2Connection::new(Start::Preface);
        let seen = lines(&mut connection, &left);
        assert_eq!(
            connection.counts().desynchronised,
            u64::from(announced),
            "without {lost}"
        );
        let known = seen
            .iter()
            .filter(|line| !line.starts_with("desync") && !line.ends_with("incomplete"));
        for line in known {
            assert!(expected().contains(line), "{line} without {lost}");
        }
    }
}
