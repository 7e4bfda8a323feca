//! Connections between a client and a server of the `h2` crate: the events match the exchanged
//! messages, from the preface on and from the middle.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, Response};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::*;
use crate::http2::frame::PREFACE;

/// The written bytes with their direction, in order.
type Log = Arc<Mutex<Vec<(Direction, Vec<u8>)>>>;

/// One end of a connection, which records what is written to it.
struct Recorded {
    end: DuplexStream,
    direction: Direction,
    log: Log,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.end).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.end).poll_write(cx, bytes))?;
        let segment = (self.direction, bytes[..written].to_vec());
        self.log.lock().expect("one thread").push(segment);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}

/// A call: the number of its path, the caller's span, a header that changes, the gRPC status.
#[derive(Clone, Debug)]
struct Call {
    path: u8,
    span: u64,
    cookie: String,
    status: u8,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..4_u8, 1..u64::MAX, "[ -~]{0,80}", 0..17_u8);
    let call = call.prop_map(|(path, span, cookie, status)| Call {
        path,
        span,
        cookie,
        status,
    });
    prop::collection::vec(call, 1..40)
}

impl Call {
    fn request(&self) -> Request<()> {
        Request::post(format!(
            "http://shop:8080/shop.Cart/Method{}?secret",
            self.path
        ))
        .header("content-type", "application/grpc")
        .header("cookie", &self.cookie)
        .header(
            "traceparent",
            format!("00-{:032x}-{:016x}-01", 7, self.span),
        )
        .body(())
        .expect("a request")
    }

    /// The events of the call on `stream`.
    fn expected(&self, stream: u32) -> [String; 3] {
        [
            format!(
                "request {stream} POST /shop.Cart/Method{} {:016x} end",
                self.path, self.span
            ),
            format!("response {stream} 200"),
            format!("trailers {stream} grpc={}", self.status),
        ]
    }
}

async fn serve(connection: Recorded, statuses: Vec<u8>) {
    let mut server = h2::server::handshake(connection)
        .await
        .expect("a handshake");
    let mut statuses = statuses.into_iter();
    while let Some(request) = server.accept().await {
        let (_, mut respond) = request.expect("a request");
        let response = Response::builder().header("content-type", "application/grpc");
        let response = response.body(()).expect("a response");
        let mut body = respond
            .send_response(response, false)
            .expect("an open stream");
        let status = statuses.next().expect("as many as there are calls");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(u16::from(status)));
        body.send_trailers(trailers).expect("an open stream");
    }
}

/// Makes the calls, three at a time, and returns the bytes of the connection.
fn exchange(calls: &[Call], table_bytes: u32) -> Vec<(Direction, Vec<u8>)> {
    let log = Log::default();
    let (client, server) = tokio::io::duplex(1 << 16);
    let recorded = |end, direction| Recorded {
        end,
        direction,
        log: Arc::clone(&log),
    };
    let client = recorded(client, Direction::ToServer);
    let server = recorded(server, Direction::ToClient);
    let statuses = calls.iter().map(|call| call.status).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = tokio::spawn(serve(server, statuses));
        let mut builder = h2::client::Builder::new();
        builder.header_table_size(table_bytes);
        let (mut sender, connection) = builder
            .handshake::<_, bytes::Bytes>(client)
            .await
            .expect("a handshake");
        let connection = tokio::spawn(connection);
        for some in calls.chunks(3) {
            let mut answers = Vec::new();
            for call in some {
                sender = sender.ready().await.expect("an open connection");
                let (answer, _) = sender
                    .send_request(call.request(), true)
                    .expect("an open connection");
                answers.push(answer);
            }
            for answer in answers {
                let mut body = answer.await.expect("a response").into_body();
                body.trailers().await.expect("trailers").expect("trailers");
            }
        }
        drop(sender);
        connection.await.expect("no panic").expect("an orderly end");
        server.await.expect("no panic");
    });
    Arc::into_inner(log)
        .expect("both ends are gone")
        .into_inner()
        .expect("one thread")
}

/// The fragments in the order of writing.
fn captured(segments: &[(Direction, Vec<u8>)]) -> Vec<Captured> {
    let mut all = Vec::new();
    for direction in [Direction::ToServer, Direction::ToClient] {
        let skipped = if direction == Direction::ToServer {
            PREFACE.len()
        } else {
            0
        };
        let (mut bytes, mut ends, mut order) = (Vec::new(), Vec::new(), Vec::new());
        for (nth, (_, segment)) in segments
            .iter()
            .enumerate()
            .filter(|(_, s)| s.0 == direction)
        {
            bytes.extend_from_slice(segment);
            ends.push(bytes.len().saturating_sub(skipped));
            order.push(nth);
        }
        for fragment in wire::capture(direction, 0, &bytes[skipped..], &ends) {
            let at = fragment.seq as usize;
            let segment = ends
                .iter()
                .position(|end| at < *end)
                .expect("within a segment");
            all.push((order[segment], fragment));
        }
    }
    all.sort_by_key(|(nth, _)| *nth);
    all.into_iter().map(|(_, fragment)| fragment).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every call is reported with request, response and status on its stream, with tables of any
    /// size; nothing is unknown or malformed.
    #[test]
    fn every_call_is_reported(calls in calls(), table_bytes in prop::sample::select(vec![0, 100, 4096, 65_536])) {
        let mut connection = Http2Connection::new(Start::Preface);
        let mut seen = lines(&mut connection, &captured(&exchange(&calls, table_bytes)));
        seen.retain(|line| !line.starts_with("goaway"));
        let streams = calls.iter().zip((1..).step_by(2));
        let mut expected: Vec<_> = streams.flat_map(|(call, stream)| call.expected(stream)).collect();
        seen.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(seen, expected);
        let counts = ConnectionCounts { blocks: 3 * calls.len() as u64, ..ConnectionCounts::default() };
        prop_assert_eq!(connection.counts(), counts);
    }

    /// Started at any fragment: no path, status or trace context is wrong, and every request has
    /// its trace context.
    #[test]
    fn started_in_the_middle_no_value_is_wrong(calls in calls(), from: prop::sample::Index) {
        let all = captured(&exchange(&calls, 4096));
        let from = from.index(all.len());
        let mut connection = Http2Connection::new(Start::Middle);
        for event in feed(&mut connection, &all[from..]) {
            match event {
                Event::Request { stream, headers, .. } => {
                    let call = &calls[stream as usize / 2];
                    let context = headers.trace.sampled().expect("a trace context");
                    prop_assert_eq!(context.parent_id.to_string(), format!("{:016x}", call.span));
                    let path = format!("/shop.Cart/Method{}", call.path);
                    prop_assert!(headers.path.is_none_or(|seen| seen == path));
                }
                Event::Response { headers, .. } => prop_assert_eq!(headers.status, Some(200)),
                Event::Trailers { stream, trailers, .. } => {
                    let status = u32::from(calls[stream as usize / 2].status);
                    prop_assert!(trailers.grpc_status.is_none_or(|seen| seen == status));
                }
                Event::GoAway { .. } => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(connection.counts().desynchronised, 0);
        prop_assert_eq!(connection.counts().blocks_malformed, 0);
    }
}
