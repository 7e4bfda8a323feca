//! Which message of HTTP/1 a packet carries, and whether it is followed.

use bytes::Bytes;
use tracer_common::{head::MAX_HEAD_BYTES, http1::start::Start, message::Message, seq::after};

use super::{
    Kernel,
    body::{Advance, Position},
    ends_with_blank_line,
    http2::Cursor,
    socket::Piece,
    start,
};
use crate::{
    conversation_tests::packet::{Followed, Packet, bytes},
    decode::{Head, Record},
};

const MAX_OTHER_MESSAGES: u32 = 64;

/// Where a message may begin in a packet, and what is known of that place.
#[derive(Default)]
struct Place {
    offset: usize,
    is_in_sequence: bool,
    is_behind_body: bool,
}

impl Kernel {
    /// The message of HTTP/1 in a packet, if it is followed.
    pub(super) fn http1(&mut self, packet: &Packet) -> Option<Followed> {
        let is_remote = self.ring.is_remote(packet.from);
        let follows_all = self.follows_all;
        let socket = &mut self.sender(packet.from).socket;
        let was_client = socket.is_client;
        let is_server = socket.has_accepted || socket.has_request && !was_client;
        let mut place = Place::default();
        if socket.is_client || socket.is_sure {
            match socket.position(packet) {
                Position::Unknown => {}
                Position::Body => return None,
                Position::Again => {
                    let (followed, offset) = socket.again(packet)?;
                    return Some(self.send_head(packet, followed, offset));
                }
                Position::At(at) => (place.offset, place.is_in_sequence) = (at, true),
            }
        }
        if socket.responds && !socket.may_be_over(packet, is_remote) {
            match socket.advance(packet) {
                Advance::NotFollowed if packet.payload.is_empty() => return None,
                Advance::NotFollowed => {}
                Advance::Inside => return socket.cut_response(packet),
                Advance::End => return Some(Followed::new(Message::ResponseEnd)),
                Advance::Behind(at) => (place.offset, place.is_behind_body) = (at, true),
            }
        }
        if was_client && socket.partial_head.is_some() && socket.request_ack == packet.ack {
            let piece = socket.next_piece(packet);
            if piece == Piece::Next {
                self.continue_head(packet, Message::Request);
                return None;
            }
        }
        let socket = &mut self.sender(packet.from).socket;
        let start = start(&packet.payload[place.offset..]);
        let found = if place.is_in_sequence && was_client {
            (start.may_be_request() && !start.is_http2_preface()).then_some(Message::Request)
        } else {
            start.message()
        };
        if found == Some(Message::Request) && !is_server {
            socket.set_http1();
            let (offset, is_in_sequence) = (place.offset, place.is_in_sequence);
            let followed = socket.request(packet, offset, is_in_sequence, follows_all)?;
            if followed.in_sequence {
                let offset = u32::try_from(offset).unwrap();
                self.certain_requests.push(packet.seq.wrapping_add(offset));
            }
            return Some(self.send_head(packet, followed, offset));
        }
        if place.is_in_sequence {
            socket.forget_boundary();
            if place.offset != 0 {
                return None;
            }
        }
        let head_seq = packet
            .seq
            .wrapping_add(u32::try_from(place.offset).unwrap());
        let is_owed = socket.owes_response && socket.request_ack == head_seq;
        let may_respond = !was_client && !socket.has_opened;
        if may_respond && (found == Some(Message::Response) || is_owed) {
            return self.response(packet, place.offset, start, is_remote);
        }
        if place.is_behind_body {
            return Some(Followed::new(Message::ResponseEnd));
        }
        if socket.responds && socket.may_be_over(packet, is_remote) {
            return match socket.advance(packet) {
                Advance::NotFollowed => None,
                Advance::Inside => socket.cut_response(packet),
                Advance::End | Advance::Behind(_) => Some(Followed::new(Message::ResponseEnd)),
            };
        }
        self.other(packet, start)
    }

    fn response(
        &mut self,
        packet: &Packet,
        offset: usize,
        start: Start,
        is_remote: bool,
    ) -> Option<Followed> {
        let socket = &mut self.sender(packet.from).socket;
        let followed = socket.response(packet, offset, start, is_remote)?;
        if start.is_switching_protocols()
            && let Some(begin) = Cursor::after_101(packet)
        {
            let sender = self.sender(packet.from);
            sender.socket.is_http1 = false;
            sender.cursor = Some(Cursor::new(begin));
            let has_frames = begin != packet.end_seq();
            if has_frames && let Some(headers) = self.frames(packet) {
                return Some(headers);
            }
        }
        let socket = &mut self.sender(packet.from).socket;
        let followed = socket.begin_response(packet, offset, start, is_remote, followed);
        Some(self.send_head(packet, followed, offset))
    }

    /// A packet that does not look like the beginning of a message.
    fn other(&mut self, packet: &Packet, start: Start) -> Option<Followed> {
        let socket = &mut self.sender(packet.from).socket;
        let message = if socket.is_client {
            Message::Request
        } else {
            Message::Response
        };
        if socket.partial_head.is_some() {
            if socket.next_piece(packet) == Piece::Next {
                self.continue_head(packet, message);
            }
            return None;
        }
        if socket.is_http1 && !start.is_http2_preface() {
            return None;
        }
        if let Some(cursor) = Cursor::recognise(packet) {
            socket.is_http1 = false;
            self.sender(packet.from).cursor = Some(cursor);
            return self.frames(packet);
        }
        if !socket.is_http1 && socket.newest_and_reported.is_none() {
            socket.other_messages += 1;
            socket.is_not_http |= socket.other_messages >= MAX_OTHER_MESSAGES;
        }
        None
    }

    /// Copies a packet from the head on.
    fn send_head(&mut self, packet: &Packet, followed: Followed, offset: usize) -> Followed {
        let is_sent = self.copy(packet, followed.message, Some(offset));
        Followed {
            head_lost: !is_sent,
            ..followed
        }
    }

    /// Copies a packet that continues a head.
    fn continue_head(&mut self, packet: &Packet, message: Message) {
        self.copy(packet, message, None);
    }

    fn copy(&mut self, packet: &Packet, message: Message, offset: Option<usize>) -> bool {
        let begin = offset.unwrap_or(0);
        let copied = packet.payload[begin..].iter().copied().take(MAX_HEAD_BYTES);
        let head = Head {
            message,
            start_ns: packet.start_ns,
            sender_cookie: self.ring.cookie(packet.from),
            seq: packet.seq,
            ack: packet.ack,
            payload_bytes: bytes(&packet.payload),
            offset: u32::try_from(begin).unwrap(),
            sent: packet.sent(),
            continues: offset.is_none(),
            bytes: Bytes::from_iter(copied),
        };
        self.ring.send(Record::Head(head))
    }
}

impl super::socket::Socket {
    /// Begins with a response that is followed.
    fn begin_response(
        &mut self,
        packet: &Packet,
        offset: usize,
        start: Start,
        is_remote: bool,
        mut followed: Followed,
    ) -> Followed {
        if !start.has_status() {
            self.begin_partial_head(packet, offset);
        } else if !start.is_final()
            && ends_with_blank_line(packet)
            && after(packet.end_seq(), self.request_ack)
        {
            self.request_ack = packet.end_seq();
        }
        if !followed.ends_later {
            followed.ends_later = self.begin_response_body(packet, offset, start, is_remote);
        }
        followed
    }
}
