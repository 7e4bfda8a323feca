//! What the kernel programs remember of a socket, and what they decide by it about its packets.

use tracer_common::{
    head::MAX_HEAD_BYTES,
    http1::{
        boundary::{Body, Boundary, Part},
        scan::{self, Findings, HeadBytes, Line},
        start::Start,
    },
    message::Message,
    seq::after,
};

use super::model::{Followed, Packet, bytes, ends_with_blank_line};

const SCANNED_BYTES: usize = 4096;
const BOUNDARY_STEPS: usize = 4096;

/// What is remembered of a socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) is_not_http: bool,
    pub(super) is_http1: bool,
    pub(super) is_http2: bool,
    pub(super) is_client: bool,
    pub(super) has_request: bool,
    pub(super) is_sure: bool,
    left_out: bool,
    pub(super) pipelines: bool,
    pub(super) owes_response: bool,
    pub(super) request_seq: u32,
    pub(super) request_ack: u32,
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
            is_http2: false,
            is_client: false,
            has_request: false,
            is_sure: false,
            left_out: false,
            pipelines: false,
            owes_response: false,
            request_seq: 0,
            request_ack: 0,
            boundary_seq: 0,
            boundary: Boundary::after_head(Body::Unknown),
            partial_head: None,
            other_messages: 0,
            newest_and_reported: None,
        }
    }
}

/// Where a request begins in a packet.
pub(super) enum Position {
    Unknown,
    Body,
    At(usize),
}

impl Socket {
    pub(super) fn set_http1(&mut self) {
        self.is_not_http = false;
        self.is_http1 = true;
    }

    pub(super) fn forget_boundary(&mut self) {
        self.boundary = Boundary::after_head(Body::Unknown);
        self.is_sure = false;
    }

    pub(super) fn position(&mut self, packet: &Packet) -> Position {
        if self.boundary.part.is(Part::UNKNOWN) {
            return Position::Unknown;
        }
        if after(packet.seq, self.boundary_seq) {
            self.forget_boundary();
            return Position::Unknown;
        }
        self.walk(packet)
    }

    /// Goes on to the next head, or to the end of the packet.
    fn walk(&mut self, packet: &Packet) -> Position {
        for _ in 0..BOUNDARY_STEPS {
            let rest = self.rest(packet);
            let step = self.boundary.step(bytes(rest), || rest.first().copied());
            let Some((passed, next)) = step else {
                break;
            };
            self.boundary_seq = self.boundary_seq.wrapping_add(passed);
            self.boundary = next;
        }
        let rest = self.rest(packet);
        if rest.is_empty() {
            Position::Body
        } else if self.boundary.is_at_head() {
            Position::At(packet.payload.len() - rest.len())
        } else {
            self.forget_boundary();
            Position::Unknown
        }
    }

    /// The payload of a packet from the boundary on.
    fn rest<'p>(&self, packet: &'p Packet) -> &'p [u8] {
        let offset = self.boundary_seq.wrapping_sub(packet.seq) as usize;
        packet.payload.get(offset..).unwrap_or_default()
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
            let is_sure = is_in_sequence && (self.is_sure || !(is_first || is_behind));
            let head_seq = packet.seq.wrapping_add(u32::try_from(offset).unwrap());
            let is_pipelined = is_behind && self.request_seq != head_seq;
            followed.behind_left_out = is_pipelined && self.left_out;
            followed.in_sequence = is_sure;
            self.request_seq = head_seq;
            self.request_ack = packet.ack;
            self.left_out = false;
            self.is_client = true;
            self.has_request = true;
            self.pipelines |= is_pipelined;
            let findings = self.scan(packet, offset);
            followed.single = findings.is_some();
            self.is_sure |= is_sure && followed.single;
            let is_followed = findings.is_none_or(|findings| findings.is_followed(false));
            if !self.pipelines && !is_followed && !follows_all {
                self.left_out = true;
                return None;
            }
        }
        self.begin_partial_head(packet, offset);
        Some(followed)
    }

    /// Scans a head; `None` if it is not the only one of the packet, or not whole.
    fn scan(&mut self, packet: &Packet, offset: usize) -> Option<Findings> {
        self.forget_boundary();
        let head = &packet.payload[offset..];
        let scanned = Scanned(&head[..head.len().min(SCANNED_BYTES)]);
        let (mut findings, mut length, mut at) = (Findings::NONE, 0, 0);
        let end = loop {
            at += scanned.0[at..].iter().position(|byte| *byte == b'\n')? + 1;
            match scan::line(&scanned, u32::try_from(at).unwrap()) {
                Line::Cut => return None,
                Line::End(end) => break end,
                Line::Header(found) => findings = findings.and(found),
                Line::Length(bytes) => (findings, length) = (findings.and_length(), bytes),
            }
        };
        self.boundary = Boundary::after_head(findings.body(length));
        let seq = packet.seq.wrapping_add(u32::try_from(offset).unwrap());
        self.boundary_seq = seq.wrapping_add(end);
        if !matches!(self.walk(packet), Position::Body) {
            self.forget_boundary();
            return None;
        }
        Some(findings)
    }

    /// Decides about a response.
    pub(super) fn response(&mut self, packet: &Packet, start: Start) -> Option<Followed> {
        self.set_http1();
        if !self.owes_response && !self.pipelines {
            return None;
        }
        if start.is_final() {
            self.owes_response = false;
        }
        if !start.has_status() {
            self.begin_partial_head(packet, 0);
        } else if !start.is_final() && ends_with_blank_line(packet) {
            self.request_ack = packet.seq.wrapping_add(bytes(&packet.payload));
        }
        Some(Followed::new(Message::Response))
    }

    fn begin_partial_head(&mut self, packet: &Packet, offset: usize) {
        let head_bytes = packet.payload.len() - offset;
        let is_over = head_bytes >= MAX_HEAD_BYTES || ends_with_blank_line(packet);
        let next_seq = packet.seq.wrapping_add(bytes(&packet.payload));
        self.partial_head = (!is_over).then(|| (next_seq, MAX_HEAD_BYTES - head_bytes));
    }
}

/// The copy that a head is scanned in.
struct Scanned<'a>(&'a [u8]);

impl HeadBytes for Scanned<'_> {
    fn length(&self) -> u32 {
        bytes(self.0)
    }

    fn word(&self, at: u32) -> u64 {
        u64::from_ne_bytes(first(self.0.get(at as usize..).unwrap_or_default()))
    }
}

/// The first eight bytes; those that are not there are zero.
pub(super) fn first(bytes: &[u8]) -> [u8; 8] {
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0))
}
