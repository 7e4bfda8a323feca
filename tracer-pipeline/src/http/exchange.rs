//! A request and its response, with the journeys that carried them.

use std::sync::Arc;

use tracer_common::journey::End;

use crate::{
    decode::Journey,
    flow::{Ending, ZeroWindow},
};

use super::{
    head::{Method, RequestHead, ResponseHead, Version},
    rpc::Rpc,
    trace_context::Extraction,
};

/// One message's way, with what happened at its end.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The journey that arrived, or the last that did not.
    pub journey: Journey,
    /// When the application read it, nanoseconds of `CLOCK_MONOTONIC`.
    pub read_ns: Option<u64>,
    /// The process that read it, by its number in the machine's own PID namespace; known of requests
    /// only.
    pub reader: Option<u32>,
    /// Journeys of the same message before that one: each is a packet sent in vain.
    pub earlier: Vec<Journey>,
    /// When its receiver had no room for the rest of it.
    pub zero_windows: Vec<ZeroWindow>,
}

/// Packets of one message that are remembered; a peer that never answers is sent no more (Linux
/// gives up after 15 retransmissions, tcp_retries2).
const MAX_ATTEMPTS: usize = 16;
/// Zero windows of one message that are remembered, the first ones.
const MAX_ZERO_WINDOWS: usize = 16;

impl Leg {
    /// A message seen for the first time.
    pub fn new(journey: Journey) -> Self {
        Self {
            journey,
            read_ns: None,
            reader: None,
            earlier: Vec::new(),
            zero_windows: Vec::new(),
        }
    }

    /// The same message again: TCP has retransmitted it.
    ///
    /// What arrived first is what counts: a copy that comes later was sent in vain.
    pub fn retransmitted(&mut self, again: Journey) {
        if self.earlier.len() >= MAX_ATTEMPTS {
            return;
        }
        let is_worse = match self.journey.end {
            End::Socket => true,
            // Of those that left, the last is most likely the one that arrived.
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

    /// Its receiver has no room, or has room again.
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

    /// Every packet of the message in the order in which TCP sent them.
    pub fn packets(&self) -> Vec<&Journey> {
        let mut packets: Vec<&Journey> = self.earlier.iter().chain([&self.journey]).collect();
        packets.sort_by_key(|journey| journey.start_ns);
        packets
    }

    /// The last packet of this message that was dropped, if one was.
    pub fn dropped(&self) -> Option<&Journey> {
        let packets = self.earlier.iter().chain([&self.journey]);
        packets
            .filter(|journey| journey.end == End::Dropped)
            .max_by_key(|journey| journey.start_ns)
    }

    /// Whether nothing more will be seen of the message on this node: the application has read it, or
    /// it went on to another node.
    pub fn is_over(&self) -> bool {
        self.read_ns.is_some() || self.journey.has_left()
    }

    /// When the message was last seen: read, taken by a socket, or lost.
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
    /// The answer, once it has come.
    pub syn_ack: Option<Leg>,
}

impl Connect {
    /// What was seen of it.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        std::iter::once(&self.syn).chain(&self.syn_ack)
    }

    /// When the client may send.
    pub fn end_ns(&self) -> u64 {
        let syn_ack_ns = self.syn_ack.as_ref().map_or(0, Leg::end_ns);
        self.syn.end_ns().max(syn_ack_ns)
    }
}

/// What a request asks, as far as it is known.
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
    /// What goes with it, to be handed on.
    pub tracestate: Option<Arc<str>>,
    /// What a gRPC call calls.
    pub rpc: Option<Rpc>,
    /// It is a gRPC call.
    pub is_grpc: bool,
    /// Not all of the head was seen or could be decoded.
    pub is_incomplete: bool,
    /// The answer may come in HTTP/2 (RFC 7540 section 3.2).
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

/// What a response answers, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: Option<u16>,
    /// gRPC's status, from the trailers.
    pub grpc_status: Option<u32>,
}

impl From<&ResponseHead> for Answered {
    fn from(head: &ResponseHead) -> Self {
        Self {
            status: Some(head.status),
            grpc_status: None,
        }
    }
}

/// A request, its response, and the connect that it waited for.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked.
    pub asked: Asked,
    /// What was answered; `None` where the response or its head was not seen.
    pub answered: Option<Answered>,
    /// Only on the exchange that opened the connection.
    pub connect: Option<Connect>,
    /// Client to server.
    pub request: Leg,
    /// Tells the request from others in its packet: where its head starts, TCP sequence number.
    pub request_seq: u32,
    /// Server to client.
    pub response: Option<Leg>,
    /// The trailers that ended it, where they came in a packet of their own.
    pub trailers: Option<Leg>,
    /// The error code (RFC 9113 section 7) with which one side ended the stream before its end.
    pub reset: Option<u32>,
    /// How the connection ended while an answer was still expected.
    pub ending: Option<Ending>,
}

impl Exchange {
    /// The messages that were seen, in order.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        let connect = self.connect.iter().flat_map(Connect::legs);
        let answer = self.response.iter().chain(&self.trailers);
        connect.chain([&self.request]).chain(answer)
    }

    /// When it was over: the last message was read, or the connection ended.
    pub fn ended_ns(&self) -> u64 {
        let last = self.trailers.as_ref().or(self.response.as_ref());
        let last_ns = last.unwrap_or(&self.request).end_ns();
        let ending_ns = self.ending.map_or(0, |ending| ending.at_ns);
        last_ns.max(ending_ns)
    }
}
