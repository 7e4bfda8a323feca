//! Where the next message of a socket begins, and where its response ends.

use tracer_common::{
    http1::{
        boundary::{Body, Boundary, Part},
        scan::{self, Findings, HeadBytes, Line},
        start::Start,
    },
    message::Message,
    seq::after,
};

use super::{first, socket::Socket};
use crate::conversation_tests::packet::{Followed, Packet, bytes};

const SCANNED_BYTES: usize = 4096;
const BOUNDARY_STEPS: usize = 4096;

/// Where a message begins in a packet.
pub(super) enum Position {
    Unknown,
    Body,
    /// The packet is sent again.
    Again,
    At(usize),
}

/// What a packet is to the response that has begun.
pub(super) enum Advance {
    NotFollowed,
    Inside,
    End,
    Behind(usize),
}

impl Socket {
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
        if self.boundary_seq.wrapping_sub(packet.seq) >= bytes(&packet.payload) {
            return Position::Again;
        }
        self.walk(packet)
    }

    /// Goes on to the next head, or to the end of the packet.
    fn walk(&mut self, packet: &Packet) -> Position {
        for _ in 0..BOUNDARY_STEPS {
            let rest = self.rest(packet);
            if rest.is_empty() {
                break;
            }
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

    /// Scans a head, and notes where its body ends. `None` if it is not the only one of the packet,
    /// or not whole.
    pub(super) fn scan(
        &mut self,
        packet: &Packet,
        offset: usize,
        body: impl FnOnce(Findings, u64) -> Body,
    ) -> Option<Findings> {
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
        self.boundary = Boundary::after_head(body(findings, length));
        let seq = packet.seq.wrapping_add(u32::try_from(offset).unwrap());
        self.boundary_seq = seq.wrapping_add(end);
        if !matches!(self.walk(packet), Position::Body) {
            self.forget_boundary();
            return None;
        }
        Some(findings)
    }

    /// Begins to follow the body of a response. Whether it ends behind its packet.
    pub(super) fn begin_response_body(
        &mut self,
        packet: &Packet,
        offset: usize,
        start: Start,
        is_remote: bool,
    ) -> bool {
        self.responds = false;
        if !start.may_have_body() || self.asked_no_body || self.pipelines {
            return false;
        }
        let found = self.scan(packet, offset, Findings::response_body);
        if found.is_none() || self.boundary.is_at_head() {
            return false;
        }
        if is_remote {
            self.request_ack = packet.ack;
        }
        self.responds = true;
        true
    }

    /// Whether a response may begin, though the one before has not ended.
    pub(super) fn may_be_over(&self, packet: &Packet, is_remote: bool) -> bool {
        is_remote && self.request_ack != packet.ack
    }

    /// Goes on over a packet of the response that has begun.
    pub(super) fn advance(&mut self, packet: &Packet) -> Advance {
        match self.position(packet) {
            Position::Unknown => {
                self.responds = false;
                Advance::NotFollowed
            }
            Position::Body if self.boundary.is_at_head() => Advance::End,
            Position::Body => Advance::Inside,
            Position::Again if self.response_seq == packet.seq => Advance::NotFollowed,
            Position::Again if self.boundary.is_at_head() && self.has_last_byte(packet) => {
                Advance::End
            }
            Position::Again => Advance::Inside,
            Position::At(offset) => Advance::Behind(offset),
        }
    }

    fn has_last_byte(&self, packet: &Packet) -> bool {
        let last_seq = self.boundary_seq.wrapping_sub(1);
        last_seq.wrapping_sub(packet.seq) < bytes(&packet.payload)
    }

    /// A packet in the middle of a response: followed if the server sends nothing behind it.
    pub(super) fn cut_response(&self, packet: &Packet) -> Option<Followed> {
        let is_cut = packet.is_fin && self.responds && !self.boundary.is_at_head();
        is_cut.then(|| Followed {
            ends_later: true,
            ..Followed::new(Message::ResponseEnd)
        })
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
