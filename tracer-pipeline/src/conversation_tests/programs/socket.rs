//! What the kernel programs remember of a socket, and what they decide by it about its messages.

use tracer_common::{
    head::MAX_HEAD_BYTES,
    http1::{
        boundary::{Body, Boundary},
        scan::Findings,
        start::Start,
    },
    message::Message,
    seq::{after, before},
};

use super::ends_with_blank_line;
use crate::conversation_tests::packet::{Followed, Packet, bytes};

/// What is remembered of a socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) is_not_http: bool,
    pub(super) is_http1: bool,
    pub(super) is_client: bool,
    pub(super) has_opened: bool,
    pub(super) has_accepted: bool,
    pub(super) has_request: bool,
    pub(super) is_sure: bool,
    left_out: bool,
    pub(super) pipelines: bool,
    pub(super) owes_response: bool,
    has_responded: bool,
    pub(super) responds: bool,
    pub(super) asked_no_body: bool,
    request_seq: u32,
    pub(super) request_ack: u32,
    pub(super) response_seq: u32,
    pub(super) boundary_seq: u32,
    pub(super) boundary: Boundary,
    /// The next sequence number of a head in pieces, and how many bytes may still be copied.
    pub(super) partial_head: Option<(u32, usize)>,
    pub(super) other_messages: u32,
    /// The newest head that was received, and what the application had read at the last report.
    pub(super) newest_and_reported: Option<(u32, u32)>,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            is_not_http: false,
            is_http1: false,
            is_client: false,
            has_opened: false,
            has_accepted: false,
            has_request: false,
            is_sure: false,
            left_out: false,
            pipelines: false,
            owes_response: false,
            has_responded: false,
            responds: false,
            asked_no_body: false,
            request_seq: 0,
            request_ack: 0,
            response_seq: 0,
            boundary_seq: 0,
            boundary: Boundary::after_head(Body::Unknown),
            partial_head: None,
            other_messages: 0,
            newest_and_reported: None,
        }
    }
}

/// Whether a packet is the next piece of a head.
#[derive(PartialEq, Eq)]
pub(super) enum Piece {
    Next,
    Another,
}

impl Socket {
    pub(super) fn set_http1(&mut self) {
        self.is_not_http = false;
        self.is_http1 = true;
    }

    /// Decides about a request.
    pub(super) fn request(
        &mut self,
        packet: &Packet,
        offset: usize,
        is_in_sequence: bool,
        follows_all: bool,
    ) -> Option<Followed> {
        let is_first = !self.has_request;
        let is_behind = !is_first && self.request_ack == packet.ack;
        let mut followed = Followed::new(Message::Request);
        followed.behind_left_out = is_behind && !is_in_sequence && self.left_out;
        if !is_behind || is_in_sequence {
            let is_next = !is_first && !is_behind && offset == 0;
            let is_sure = is_in_sequence && (self.is_sure || is_next);
            let head_seq = packet.seq.wrapping_add(u32::try_from(offset).unwrap());
            let is_pipelined = is_behind && self.request_seq != head_seq;
            followed.behind_left_out = is_pipelined && (self.left_out || !self.has_opened);
            followed.in_sequence = is_sure;
            self.request_seq = head_seq;
            self.request_ack = packet.ack;
            self.left_out = false;
            self.is_client = true;
            self.has_request = true;
            self.pipelines |= is_pipelined;
            let findings = self.scan(packet, offset, Findings::body);
            followed.single = findings.is_some();
            followed.no_body = packet.payload[offset..].starts_with(b"HEAD ");
            self.is_sure |= is_sure && followed.single;
            let is_followed = findings.is_none_or(|findings| findings.is_followed(false));
            if !self.pipelines && !is_followed && !follows_all {
                self.left_out = true;
                return None;
            }
        }
        followed.pipelines = self.pipelines;
        if followed.single {
            self.partial_head = None;
        } else {
            self.begin_partial_head(packet, offset);
        }
        Some(followed)
    }

    /// A packet that is sent again: the last request, if it begins in it, and where.
    pub(super) fn again(&self, packet: &Packet) -> Option<(Followed, usize)> {
        let offset = self.request_seq.wrapping_sub(packet.seq);
        if !self.has_request || self.left_out || offset >= bytes(&packet.payload) {
            return None;
        }
        let followed = Followed {
            single: true,
            in_sequence: self.is_sure,
            pipelines: self.pipelines,
            ..Followed::new(Message::Request)
        };
        Some((followed, offset as usize))
    }

    /// A request with a journey arrives.
    pub(super) fn arrived(&mut self, packet: &Packet, followed: Followed) {
        let is_another = !self.has_request || self.request_seq != packet.seq;
        if !is_another && self.has_responded && !self.owes_response {
            return;
        }
        let is_pipelined = is_another && self.owes_response;
        self.pipelines |= is_pipelined || !followed.single || followed.pipelines;
        self.request_seq = packet.seq;
        self.request_ack = packet.ack;
        self.set_http1();
        self.forget_boundary();
        self.is_client = false;
        self.has_responded = false;
        self.responds = false;
        self.asked_no_body = followed.no_body;
        self.has_request = true;
        self.owes_response = true;
    }

    /// Decides about a response.
    pub(super) fn response(
        &mut self,
        packet: &Packet,
        offset: usize,
        start: Start,
        is_remote: bool,
    ) -> Option<Followed> {
        let head_seq = packet.seq.wrapping_add(u32::try_from(offset).unwrap());
        self.set_http1();
        let is_copy = self.responds && self.response_seq == packet.seq;
        if is_remote || self.owes_response || self.pipelines {
            let is_again = !is_remote && before(head_seq, self.request_ack);
            if start.is_final() && !is_again {
                self.response_seq = packet.seq;
                self.owes_response = false;
                self.has_responded = true;
            }
        } else if !(self.has_responded && self.response_seq == packet.seq) {
            return None;
        }
        Some(Followed {
            ends_later: is_copy,
            is_interim: !start.is_final(),
            ..Followed::new(Message::Response)
        })
    }

    pub(super) fn begin_partial_head(&mut self, packet: &Packet, offset: usize) {
        let head_bytes = packet.payload.len() - offset;
        let is_over = head_bytes >= MAX_HEAD_BYTES || ends_with_blank_line(packet);
        self.partial_head = (!is_over).then(|| (packet.end_seq(), MAX_HEAD_BYTES - head_bytes));
    }

    /// Goes on in a head in pieces.
    pub(super) fn next_piece(&mut self, packet: &Packet) -> Piece {
        let Some((_, left)) = self.partial_head.filter(|(next, _)| *next == packet.seq) else {
            return Piece::Another;
        };
        let is_over = packet.payload.len() >= left || ends_with_blank_line(packet);
        self.partial_head = (!is_over).then(|| (packet.end_seq(), left - packet.payload.len()));
        Piece::Next
    }

    /// If a read up to `read_seq` is reported: what the report before had.
    pub(super) fn reports_read(&mut self, read_seq: u32) -> Option<u32> {
        let (newest, reported) = self.newest_and_reported.as_mut()?;
        let is_reported = !after(*reported, *newest) && after(read_seq, *reported);
        is_reported.then(|| std::mem::replace(reported, read_seq))
    }
}
