//! A request and its response, with the journeys that carried them.

use std::sync::Arc;

use tracer_common::{journey::End, message::Message};

use crate::{
    decode::Journey,
    flow::{Cause, Ending, ServerBytes, Side, ZeroWindow, after},
};

use super::{
    head::{Method, RequestHead, ResponseHead, Version},
    rpc::Rpc,
    trace_context::{Extraction, ServerSpan},
};

/// The journey of one message, with the read at its end and its retransmissions.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The journey that reached a socket, or else the last one.
    pub journey: Journey,
    /// When the application read the message, nanoseconds of `CLOCK_MONOTONIC`.
    pub read_ns: Option<u64>,
    /// The process that read the message (tgid in the host's PID namespace); requests only.
    pub reader: Option<u32>,
    /// The journeys of the message's other packets (retransmissions, or packets before them).
    pub earlier: Vec<Journey>,
    /// When the receiver had no room for the rest of the message.
    pub zero_windows: Vec<ZeroWindow>,
}

/// Packets remembered per message. TCP sends no more to a peer that never answers: Linux gives up
/// after 15 retransmissions (tcp_retries2).
const MAX_ATTEMPTS: usize = 16;
/// Zero windows remembered per message: the first ones.
const MAX_ZERO_WINDOWS: usize = 16;

impl Leg {
    /// The first packet of a message.
    pub fn new(journey: Journey) -> Self {
        Self {
            journey,
            read_ns: None,
            reader: None,
            earlier: Vec::new(),
            zero_windows: Vec::new(),
        }
    }

    /// Adds a retransmission of the message.
    ///
    /// The first copy that reaches a socket counts: later copies go to `earlier`.
    pub fn retransmitted(&mut self, again: Journey) {
        if self.earlier.len() >= MAX_ATTEMPTS {
            return;
        }
        let is_worse = match self.journey.end {
            End::Socket => true,
            // Of the copies that left the node, the last most likely arrived.
            End::Left => !matches!(again.end, End::Left | End::Socket),
            End::Dropped | End::Expired => false,
        };
        if is_worse {
            self.earlier.push(again);
        } else {
            self.earlier
                .push(std::mem::replace(&mut self.journey, again));
        }
    }

    /// The receiver of the message has no room, or has room again.
    pub fn window(&mut self, zero: ZeroWindow) {
        let is_full = self.zero_windows.len() >= MAX_ZERO_WINDOWS;
        match self.zero_windows.last_mut() {
            Some(last) if last.closed_ns == zero.closed_ns => {
                last.opened_ns = zero.opened_ns.or(last.opened_ns);
            }
            _ if !is_full => self.zero_windows.push(zero),
            _ => {}
        }
    }

    /// When the first packet of this message left its socket.
    pub fn first_start_ns(&self) -> u64 {
        self.earlier
            .iter()
            .map(|journey| journey.start_ns)
            .fold(self.journey.start_ns, u64::min)
    }

    /// Every packet of the message, in the order in which TCP sent them.
    pub fn packets(&self) -> Vec<&Journey> {
        let mut packets: Vec<&Journey> = self.earlier.iter().chain([&self.journey]).collect();
        packets.sort_by_key(|journey| journey.start_ns);
        packets
    }

    /// The last packet of this message that was dropped, if any.
    pub fn dropped(&self) -> Option<&Journey> {
        let packets = self.earlier.iter().chain([&self.journey]);
        packets
            .filter(|journey| journey.end == End::Dropped)
            .max_by_key(|journey| journey.start_ns)
    }

    /// Whether the message is finished on this node: the application has read it, or it has left
    /// for another node.
    pub fn is_over(&self) -> bool {
        self.read_ns.is_some() || self.journey.has_left()
    }

    /// Whether every packet of the message that was seen was dropped.
    pub fn is_dropped(&self) -> bool {
        self.journey.end == End::Dropped
    }

    /// Of a message to the client: whether no byte of it had arrived when the connection ended. The
    /// client's socket shows it; without that, the drop of every packet does if the connection has
    /// ended as an error.
    pub(crate) fn is_lost(&self, ending: &Ending) -> bool {
        match (self.journey.end, ending.answered_until) {
            (End::Socket | End::Left, _) => false,
            (_, Some(ServerBytes::Received(until))) => !after(until, self.journey.seq),
            (End::Dropped, _) => ending.cause != Cause::Closed,
            (End::Expired, _) => false,
        }
    }

    /// Time of the message's last event: read, received by a socket, or lost.
    pub fn end_ns(&self) -> u64 {
        let last_ns = self.journey.stamps.last().map_or(0, |stamp| stamp.at_ns);
        self.read_ns.unwrap_or(0).max(last_ns)
    }
}

/// The opening of a connection.
#[derive(Clone, Debug)]
pub struct Connect {
    /// The client's SYN.
    pub syn: Leg,
    /// The server's SYN-ACK, once it was seen.
    pub syn_ack: Option<Leg>,
}

impl Connect {
    /// The messages of the handshake that were seen.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.syn).chain(&self.syn_ack)
    }

    /// Adds a SYN-ACK that has come after the request: the request was in the SYN. A later copy of
    /// one that has arrived is left out.
    pub(crate) fn answered(&mut self, syn_ack: &Journey) {
        match &mut self.syn_ack {
            None => self.syn_ack = Some(Leg::new(syn_ack.clone())),
            Some(known) if !matches!(known.journey.end, End::Socket | End::Left) => {
                known.retransmitted(syn_ack.clone());
            }
            Some(_) => {}
        }
    }

    /// When the client may send.
    pub fn end_ns(&self) -> u64 {
        let syn_ack_ns = self.syn_ack.as_ref().map_or(0, Leg::end_ns);
        self.syn.end_ns().max(syn_ack_ns)
    }
}

/// What is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: Option<Method>,
    /// The path without query.
    pub path: Option<String>,
    /// The value of `network.protocol.version`.
    pub version: Option<&'static str>,
    /// The trace context.
    pub trace: Extraction,
    /// The `tracestate` of the trace context, copied to the spans.
    pub tracestate: Option<Arc<str>>,
    /// The service and method of a gRPC call.
    pub rpc: Option<Rpc>,
    /// The request is a gRPC call.
    pub is_grpc: bool,
    /// Part of the head was not seen or could not be decoded.
    pub is_incomplete: bool,
    /// The client offers to receive the response in HTTP/2 (RFC 7540 section 3.2).
    pub offers_h2c: bool,
}

impl From<RequestHead> for Asked {
    fn from(head: RequestHead) -> Self {
        let is_complete = head.complete();
        Self {
            method: Some(head.method),
            path: head.path,
            version: head.version.map(Version::as_str),
            trace: head.trace.of_head(is_complete),
            tracestate: head.tracestate,
            rpc: None,
            is_grpc: false,
            is_incomplete: !is_complete,
            offers_h2c: head.upgrade_h2c,
        }
    }
}

/// What is known of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: Option<u16>,
    /// gRPC's status, from the trailers.
    pub grpc_status: Option<u32>,
    /// The server's span, by `traceresponse`.
    pub server_span: Option<ServerSpan>,
}

impl From<&ResponseHead> for Answered {
    fn from(head: &ResponseHead) -> Self {
        Self {
            status: Some(head.status),
            grpc_status: None,
            server_span: head.server_span,
        }
    }
}

/// One side has ended a stream of HTTP/2 before its end: RST_STREAM, or a GOAWAY that leaves the
/// stream out (RFC 9113 sections 6.4 and 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Error code (section 7).
    pub code: u32,
    /// The sender of the frame.
    pub by: Side,
    /// When the packet with the frame left its socket, or arrived from another node; nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

impl Reset {
    /// NO_ERROR (section 7).
    pub const NO_ERROR: u32 = 0;

    /// Whether the stream has failed. With NO_ERROR a side only stops: a server does so after its
    /// response (section 8.1).
    pub fn is_error(self) -> bool {
        self.code != Self::NO_ERROR
    }
}

/// The end of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseEnd {
    /// Not followed, or there is no response.
    #[default]
    NotFollowed,
    /// In a packet that left its socket, or arrived from another node, at this time; nanoseconds of
    /// `CLOCK_MONOTONIC`.
    At(u64),
    /// Not seen: still to come, lost, or the stream was reset.
    Unseen,
    /// With the connection, which is still open.
    WithConnection,
    /// The response was still to come, or open, when the agent stopped waiting at this time;
    /// nanoseconds of `CLOCK_MONOTONIC`.
    After(u64),
}

/// A request, its response, and the handshake that the request waited for.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request.
    pub asked: Asked,
    /// The response; `None` where it or its head was not seen.
    pub answered: Option<Answered>,
    /// The handshake; only on the exchange that opened the connection.
    pub connect: Option<Connect>,
    /// The journey of the request, client to server.
    pub request: Leg,
    /// TCP sequence number of the first byte of the request's head. Several requests may share a
    /// packet; this number is unique.
    pub request_seq: u32,
    /// The journey of the response, server to client.
    pub response: Option<Leg>,
    /// The journey of the packet that ends the response, where it is another one: of HTTP/1 the
    /// packet with its last byte, of HTTP/2 the one with its trailers.
    pub response_last: Option<Leg>,
    /// The end of the response.
    pub response_end: ResponseEnd,
    /// How one side ended the stream before its end.
    pub reset: Option<Reset>,
    /// How the connection ended, if it ended before the end of the response.
    pub ending: Option<Ending>,
}

impl Exchange {
    /// The messages that were seen, in order.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        let connect = self.connect.iter().flat_map(Connect::legs);
        let answer = self.response.iter().chain(&self.response_last);
        connect.chain([&self.request]).chain(answer)
    }

    /// The server's span by `traceresponse`, of a request without any trace context.
    pub fn server_span(&self) -> Option<ServerSpan> {
        let answered = self.answered?;
        answered
            .server_span
            .filter(|_| self.asked.trace == Extraction::None)
    }

    /// Whether its request is one of HTTP/1.
    pub fn is_http1(&self) -> bool {
        self.request.journey.message == Message::Request
    }

    /// The last message of the response that was seen.
    pub fn last_of_response(&self) -> Option<&Leg> {
        self.response_last.as_ref().or(self.response.as_ref())
    }

    /// Whether its stream or its connection ended before the response did.
    pub fn has_failed(&self) -> bool {
        self.ending.is_some() || self.reset.is_some_and(Reset::is_error)
    }

    /// Whether a response has come, and its end is still to come.
    pub fn is_responding(&self) -> bool {
        let is_open = matches!(
            self.response_end,
            ResponseEnd::Unseen | ResponseEnd::WithConnection
        );
        self.response.is_some() && is_open
    }

    /// When its first packet left its socket, or arrived from another node.
    pub fn started_ns(&self) -> u64 {
        let first = |leg: &Leg| leg.first_start_ns();
        self.legs().map(first).min().unwrap_or_default()
    }

    /// When the exchange was over: the last message was read, the response's body ended, its stream
    /// or connection did, or the agent stopped waiting.
    pub fn ended_ns(&self) -> u64 {
        let last_ns = self.last_of_response().unwrap_or(&self.request).end_ns();
        let ending_ns = self.ending.map_or(0, |ending| ending.at_ns);
        let reset_ns = self.reset.map_or(0, |reset| reset.at_ns);
        let body_ns = match self.response_end {
            ResponseEnd::At(at_ns) | ResponseEnd::After(at_ns) => at_ns,
            ResponseEnd::NotFollowed | ResponseEnd::Unseen | ResponseEnd::WithConnection => 0,
        };
        last_ns.max(ending_ns).max(reset_ns).max(body_ns)
    }
}
