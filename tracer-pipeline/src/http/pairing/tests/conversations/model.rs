//! The kernel programs, described a second time.
//!
//! In: the packets of one connection as their sockets send and receive them. Out: the records of
//! the ring buffer. The recognition of bytes is that of `tracer_common`; what is done with it, and
//! what is remembered of a socket, is written here again. Leaves out retransmissions, uplinks, the
//! limit of requests of a pair, and the recognition of HTTP/2 by the shape of its frames.

use std::collections::VecDeque;

use bytes::Bytes;
use tracer_common::{
    head::MAX_HEAD_BYTES,
    hook::Hook,
    http1::{
        boundary::{Body, Boundary},
        start::Start,
    },
    message::Message,
    seq::after,
};

use super::socket::{Position, Socket, first};
use crate::{
    decode::{Head, JourneyBuilder, Read, Record},
    flow::Side,
};

const MAX_OTHER_MESSAGES: u32 = 64;

/// A packet with payload.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) from: Side,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) payload: Vec<u8>,
    pub(super) start_ns: u64,
    pub(super) journey: Option<Followed>,
}

/// A message that is followed, with the flags of its journey.
#[derive(Clone, Copy, Debug)]
pub(super) struct Followed {
    pub(super) message: Message,
    pub(super) in_sequence: bool,
    pub(super) single: bool,
    pub(super) behind_left_out: bool,
    pub(super) head_lost: bool,
}

/// The programs, the two sockets and the ring buffer.
#[derive(Default)]
pub(super) struct Kernel {
    client: Socket,
    server: Socket,
    pub(super) follows_all: bool,
    /// For the next records: whether each is lost. Used in turns.
    pub(super) losses: VecDeque<bool>,
    pub(super) records: Vec<Record>,
    /// The sequence numbers at which a request begins for certain.
    pub(super) certain_requests: Vec<u32>,
}

impl Kernel {
    /// The client sends a SYN, whose next byte has this sequence number.
    pub(super) fn syn(&mut self, next_seq: u32, start_ns: u64) {
        self.client.boundary_seq = next_seq;
        self.client.boundary = Boundary::after_head(Body::Length(0));
        self.client.is_sure = true;
        let syn = JourneyBuilder::new(Message::Syn).seq(next_seq.wrapping_sub(1));
        self.ring(Record::Journey(syn.start_ns(start_ns).build()));
    }

    /// A socket sends a packet.
    pub(super) fn send(&mut self, packet: &mut Packet) {
        if self.socket(packet.from).is_not_http {
            return;
        }
        packet.journey = self.followed(packet).map(|(mut followed, offset)| {
            if followed.in_sequence {
                let offset = u32::try_from(offset).unwrap();
                self.certain_requests.push(packet.seq.wrapping_add(offset));
            }
            followed.head_lost = !self.send_head(packet, followed.message, Some(offset));
            followed
        });
    }

    /// A packet arrives at the other socket.
    pub(super) fn receive(&mut self, packet: &Packet) {
        let Some(followed) = packet.journey else {
            return;
        };
        let socket = self.socket(other(packet.from));
        let reported = socket.newest_and_reported.map(|(_, reported)| reported);
        socket.newest_and_reported = Some((packet.seq, reported.unwrap_or(packet.seq)));
        if followed.message == Message::Request {
            let is_another = socket.has_request && socket.request_seq != packet.seq;
            let is_pipelined = is_another && socket.request_ack == packet.ack;
            socket.pipelines |= is_pipelined || !followed.single;
            socket.request_seq = packet.seq;
            socket.request_ack = packet.ack;
            socket.set_http1();
            socket.has_request = true;
            socket.owes_response = true;
            socket.is_client = false;
            socket.forget_boundary();
        }
        let (sender, receiver) = (cookie(packet.from), cookie(other(packet.from)));
        let mut journey = JourneyBuilder::new(followed.message)
            .sockets(sender, receiver)
            .start_ns(packet.start_ns)
            .seq(packet.seq)
            .ack(packet.ack)
            .stamps_after_ns(&[(10, Hook::CgroupIngress)])
            .in_sequence(followed.in_sequence)
            .build();
        journey.payload_bytes = bytes(&packet.payload);
        journey.head_lost = followed.head_lost;
        journey.behind_left_out = followed.behind_left_out;
        self.ring(Record::Journey(journey));
    }

    /// An application reads everything up to `read_seq`.
    pub(super) fn read(&mut self, by: Side, read_seq: u32, at_ns: u64) {
        let Some((newest, reported)) = &mut self.socket(by).newest_and_reported else {
            return;
        };
        if after(*reported, *newest) || !after(read_seq, *reported) {
            return;
        }
        *reported = read_seq;
        self.ring(Record::Read(Read {
            cookie: cookie(by),
            read_seq,
            at_ns,
            tgid: None,
        }));
    }

    /// Whether the server is taken for a client.
    pub(super) fn has_two_clients(&self) -> bool {
        self.server.is_client
    }

    fn socket(&mut self, side: Side) -> &mut Socket {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Sends a record; false if it is lost.
    fn ring(&mut self, record: Record) -> bool {
        self.losses
            .rotate_left(usize::from(!self.losses.is_empty()));
        let is_lost = self.losses.back() == Some(&true);
        if !is_lost {
            self.records.push(record);
        }
        !is_lost
    }

    /// Copies a packet from the head on; without `offset` it continues a head.
    fn send_head(&mut self, packet: &Packet, message: Message, offset: Option<usize>) -> bool {
        let begin = offset.unwrap_or(0);
        let copied = packet.payload[begin..].iter().copied().take(MAX_HEAD_BYTES);
        self.ring(Record::Head(Head {
            message,
            start_ns: packet.start_ns,
            sender_cookie: cookie(packet.from),
            seq: packet.seq,
            ack: packet.ack,
            payload_bytes: bytes(&packet.payload),
            offset: u32::try_from(begin).unwrap(),
            sent: JourneyBuilder::client_to_server(),
            continues: offset.is_none(),
            bytes: Bytes::from_iter(copied),
        }))
    }

    /// The message of a packet, if it is followed, and where its head begins.
    fn followed(&mut self, packet: &Packet) -> Option<(Followed, usize)> {
        let follows_all = self.follows_all;
        let socket = self.socket(packet.from);
        if !socket.is_http1 && socket.is_http2 {
            return None;
        }
        let mut offset = 0;
        let mut is_in_sequence = false;
        if socket.is_client || socket.is_sure {
            match socket.position(packet) {
                Position::Unknown => {}
                Position::Body => return None,
                Position::At(at) => (offset, is_in_sequence) = (at, true),
            }
        }
        let start = start(&packet.payload[offset..]);
        let is_request = if is_in_sequence && socket.is_client {
            start.may_be_request() && !start.is_http2_preface()
        } else {
            start.message() == Some(Message::Request)
        };
        let has_received = socket.has_request && !socket.is_client;
        if is_request && !has_received {
            socket.set_http1();
            let followed = socket.request(packet, offset, is_in_sequence, follows_all)?;
            return Some((followed, offset));
        }
        if is_in_sequence {
            socket.forget_boundary();
            if offset != 0 {
                return None;
            }
        }
        let is_owed = socket.owes_response && socket.request_ack == packet.seq;
        let is_response =
            is_owed || (!(is_in_sequence && socket.is_client) && start.is_status_line());
        if !socket.is_client && is_response {
            return socket.response(packet, start).map(|followed| (followed, 0));
        }
        self.other(packet, start);
        None
    }

    /// A packet that does not look like the beginning of a message.
    fn other(&mut self, packet: &Packet, start: Start) {
        let socket = self.socket(packet.from);
        let message = if socket.is_client {
            Message::Request
        } else {
            Message::Response
        };
        if let Some((next_seq, left)) = socket.partial_head {
            if next_seq == packet.seq {
                let ends = packet.payload.len() >= left || ends_with_blank_line(packet);
                let next_seq = next_seq.wrapping_add(bytes(&packet.payload));
                socket.partial_head = (!ends).then(|| (next_seq, left - packet.payload.len()));
                self.send_head(packet, message, None);
            }
            return;
        }
        if socket.is_http1 && !start.is_http2_preface() {
            return;
        }
        if packet.payload.len() >= 24 && packet.payload.starts_with(b"PRI * HTTP/2.0\r\n") {
            socket.is_http1 = false;
            socket.is_http2 = true;
        } else if !socket.is_http1 && socket.newest_and_reported.is_none() {
            socket.other_messages += 1;
            socket.is_not_http |= socket.other_messages >= MAX_OTHER_MESSAGES;
        }
    }
}

impl Followed {
    pub(super) fn new(message: Message) -> Self {
        Self {
            message,
            in_sequence: false,
            single: false,
            behind_left_out: false,
            head_lost: false,
        }
    }
}

fn start(head: &[u8]) -> Start {
    let words = [first(head), first(head.get(8..).unwrap_or_default())];
    Start::new(words.map(u64::from_ne_bytes), bytes(head).min(16))
}

pub(super) fn ends_with_blank_line(packet: &Packet) -> bool {
    packet.payload.ends_with(b"\r\n\r\n")
}

pub(super) fn bytes(slice: &[u8]) -> u32 {
    u32::try_from(slice.len()).unwrap()
}

pub(super) fn cookie(side: Side) -> u64 {
    match side {
        Side::Client => JourneyBuilder::CLIENT_COOKIE,
        Side::Server => JourneyBuilder::SERVER_COOKIE,
    }
}

/// The opposite end.
pub(super) fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}
