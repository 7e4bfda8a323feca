//! Connections from frames to events: hand-written, captured, from another implementation, hostile.

mod bounds;
mod frame_sequences;
mod h2_crate;
mod hotrod_capture;
mod losses;

use super::*;
use crate::http::trace_context::Extraction;
use crate::http2::wire::{self, Captured};

/// An event in one line.
fn line(event: &Event) -> String {
    match event {
        Event::Request {
            stream, headers, ..
        } => {
            let trace = match headers.trace {
                Extraction::Context(context) => context.parent_id.to_string(),
                Extraction::None | Extraction::Unknown => "-".to_owned(),
                Extraction::Malformed => "malformed".to_owned(),
                Extraction::Denied => "denied".to_owned(),
            };
            let method = headers
                .method
                .as_ref()
                .map_or("?", |method| method.as_str());
            let path = headers.path.as_deref().unwrap_or("?");
            let end = if headers.end_stream { " end" } else { "" };
            let rest = if headers.incomplete {
                " incomplete"
            } else {
                ""
            };
            format!("request {stream} {method} {path} {trace}{end}{rest}")
        }
        Event::Interim { stream, status, .. } => format!("interim {stream} {status:?}"),
        Event::Response {
            stream, headers, ..
        } => {
            let status = headers
                .status
                .map_or("?".to_owned(), |status| status.to_string());
            let grpc = headers
                .grpc_status
                .map_or(String::new(), |code| format!(" grpc={code}"));
            let end = if headers.end_stream { " end" } else { "" };
            let rest = if headers.incomplete {
                " incomplete"
            } else {
                ""
            };
            format!("response {stream} {status}{grpc}{end}{rest}")
        }
        Event::Trailers {
            stream, trailers, ..
        } => {
            let code = trailers
                .grpc_status
                .map_or("?".to_owned(), |code| code.to_string());
            let rest = if trailers.incomplete {
                " incomplete"
            } else {
                ""
            };
            format!("trailers {stream} grpc={code}{rest}")
        }
        Event::End { stream, .. } => format!("end {stream}"),
        Event::Reset {
            stream,
            direction,
            code,
            ..
        } => format!("reset {stream} {direction:?} {code}"),
        Event::Refused { stream, code } => format!("refused {stream} {code}"),
        Event::GoAway {
            last_stream, code, ..
        } => format!("goaway {last_stream} {code}"),
        Event::Evicted { stream } => format!("evicted {stream}"),
        Event::Late { stream } => format!("late {stream}"),
        Event::Desynchronised { direction, cause } => {
            format!("desynchronised {direction:?}: {cause}")
        }
    }
}

fn feed(connection: &mut Http2Connection, captured: &[Captured]) -> Vec<Event> {
    let mut events = Vec::new();
    for piece in captured {
        connection.fragment(&piece.fragment(), &mut |event| events.push(event));
        let bytes = connection.heap_bytes() + size_of::<Http2Connection>();
        assert!(bytes <= CONNECTION_MAX_BYTES, "{bytes}");
    }
    events
}

fn lines(connection: &mut Http2Connection, captured: &[Captured]) -> Vec<String> {
    feed(connection, captured).iter().map(line).collect()
}

/// The fragments of a connection's frames. Sequence numbers start at 1000 (to the server) and 5000
/// (to the client).
fn fragments(frames: &[(Direction, Vec<u8>)]) -> Vec<Captured> {
    let (mut client, mut server) = (1000_u32, 5000_u32);
    let mut captured = Vec::new();
    for (direction, frame) in frames {
        let seq = match direction {
            Direction::ToServer => &mut client,
            Direction::ToClient => &mut server,
        };
        captured.extend(wire::capture(*direction, *seq, frame, &[]));
        *seq = seq.wrapping_add(frame.len() as u32);
    }
    captured
}
