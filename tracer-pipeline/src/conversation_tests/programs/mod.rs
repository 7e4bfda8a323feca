//! The kernel programs, described a second time.
//!
//! In: the packets of one connection as the hooks of a node see them. Out: the records of the ring
//! buffer. The recognition of bytes is that of `tracer_common`; what is done with it, and what is
//! remembered of a socket, is written here again. Leaves out the limit of requests of a pair.

mod body;
mod http1;
mod http2;
mod socket;

use tracer_common::{
    http1::{
        boundary::{Body, Boundary},
        start::Start,
    },
    journey::End,
    message::Message,
    seq::after,
};

use super::packet::{Followed, Packet, Ring, bytes};
use crate::{
    decode::{Read, Record},
    flow::Side,
};

use http2::Cursor;
use socket::Socket;

/// The programs, what they remember of the two sockets, and the ring buffer.
pub(crate) struct Kernel {
    client: Sender,
    server: Sender,
    ring: Ring,
    follows_all: bool,
    /// The sequence numbers at which a request begins for certain.
    pub(crate) certain_requests: Vec<u32>,
}

/// What is remembered of a sender.
#[derive(Default)]
struct Sender {
    socket: Socket,
    cursor: Option<Cursor>,
}

impl Kernel {
    pub(super) fn new(ring: Ring, follows_all: bool) -> Self {
        Self {
            client: Sender::default(),
            server: Sender::default(),
            ring,
            follows_all,
            certain_requests: Vec::new(),
        }
    }

    /// The records so far.
    pub(crate) fn records(&self) -> &[Record] {
        &self.ring.records
    }

    /// The client sends a SYN, whose next byte has this sequence number, and the server accepts the
    /// connection.
    pub(super) fn syn(&mut self, next_seq: u32, start_ns: u64) {
        let client = &mut self.client.socket;
        client.boundary_seq = next_seq;
        client.boundary = Boundary::after_head(Body::Length(0));
        client.is_sure = true;
        client.has_opened = true;
        self.server.socket.has_accepted = true;
        self.ring.syn(next_seq, start_ns);
    }

    /// The time from now on.
    pub(super) fn set_time(&mut self, now_ns: u64) {
        self.ring.now_ns = now_ns;
    }

    /// When a record was last lost.
    pub(crate) fn last_loss_ns(&self) -> u64 {
        self.ring.last_loss_ns
    }

    /// A socket sends a packet, or one arrives from another node.
    pub(super) fn see(&mut self, packet: &mut Packet) {
        let socket = &self.sender(packet.from).socket;
        let may_carry_message = !packet.payload.is_empty() || packet.is_fin && socket.responds;
        if !socket.is_not_http && may_carry_message {
            packet.journey = self.followed(packet);
        }
        if packet.is_fin && self.ring.is_remote(packet.from) {
            *self.sender(packet.from) = Sender::default();
        }
    }

    /// A packet reaches the other socket, leaves the node, or is dropped.
    pub(super) fn end(&mut self, packet: &Packet, end: End) {
        let Some(followed) = packet.journey else {
            return;
        };
        let is_sent = self.ring.journey(packet, end);
        if end == End::Socket {
            let socket = &mut self.sender(packet.from.other()).socket;
            let is_last = followed.message == Message::ResponseEnd;
            let read_seq = if is_last {
                packet.end_seq().wrapping_sub(1)
            } else {
                packet.seq
            };
            let known = socket.newest_and_reported.unwrap_or((read_seq, read_seq));
            let newest = if after(read_seq, known.0) {
                read_seq
            } else {
                known.0
            };
            if is_sent {
                socket.newest_and_reported = Some((newest, known.1));
            }
            if followed.message == Message::Request {
                socket.arrived(packet, followed);
            }
        }
    }

    /// An application reads everything up to `read_seq`.
    pub(super) fn read(&mut self, by: Side, read_seq: u32, at_ns: u64) {
        if let Some(new_from) = self.sender(by).socket.reports_read(read_seq) {
            let cookie = self.ring.cookie(by);
            self.ring.send(Record::Read(Read {
                cookie,
                read_seq,
                at_ns,
                tgid: None,
                new_from: Some(new_from),
            }));
        }
    }

    /// Whether the server is taken for a client.
    pub(crate) fn has_two_clients(&self) -> bool {
        self.server.socket.is_client
    }

    fn sender(&mut self, side: Side) -> &mut Sender {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// The message of a packet, if it is followed.
    fn followed(&mut self, packet: &Packet) -> Option<Followed> {
        let sender = self.sender(packet.from);
        if !sender.socket.is_http1 && sender.cursor.is_some() {
            return self.frames(packet);
        }
        self.http1(packet)
    }

    /// The frames of HTTP/2 in a packet.
    fn frames(&mut self, packet: &Packet) -> Option<Followed> {
        let sender = match packet.from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let cursor = sender.cursor.as_mut()?;
        let has_headers = cursor.follow(packet, &mut self.ring);
        has_headers.then(|| Followed::new(Message::Headers))
    }
}

/// The first bytes of a message.
fn start(head: &[u8]) -> Start {
    let words = [first(head), first(head.get(8..).unwrap_or_default())];
    Start::new(words.map(u64::from_ne_bytes), bytes(head).min(16))
}

/// The first eight bytes; those that are not there are zero.
fn first(bytes: &[u8]) -> [u8; 8] {
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0))
}

fn ends_with_blank_line(packet: &Packet) -> bool {
    packet.payload.ends_with(b"\r\n\r\n")
}
