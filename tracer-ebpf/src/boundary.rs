//! Follows what a socket sends from the head of a message to its end, where the next one begins.
//!
//! In: the packets of a socket. Out: whether a message begins in a packet, and where. What is known
//! of a socket is in its slot; a packet that was not seen makes it unknown.

use core::ops::ControlFlow;

use tracer_common::http1::boundary::{Body, Boundary, Part};

use crate::{
    bpf_loop::{self, Turn},
    first_seen::FirstSeen,
    packet::Packet,
    socket::{OPENED, SURE, Socket},
};

/// Steps through one packet: bytes of lines between chunks, and chunks. A packet of more and
/// smaller chunks than real clients send has more.
const MAX_STEPS: u32 = 4096;

/// What [`position`] returns if it is not known where messages begin.
pub(crate) const UNKNOWN: u32 = u32::MAX;
/// If no message begins in the packet.
pub(crate) const BODY: u32 = u32::MAX - 1;
/// If the packet is sent again: all of it was there before.
pub(crate) const AGAIN: u32 = u32::MAX - 2;

/// A connection begins: the first byte that the client sends has this sequence number.
#[inline(always)]
pub(crate) fn open(socket: &Socket, seq: u32) {
    store(socket, seq, Boundary::after_head(Body::Length(0)));
    socket.flags.set_bits(OPENED | SURE);
}

/// Goes on over a packet. Where in its payload a message begins, or one of the numbers above.
///
/// Never inlined: what the verifier knows of the ways to the result is left behind.
#[inline(never)]
pub(crate) fn position<const HTTP2: bool>(seen: &FirstSeen<'_>, socket: &'static Socket) -> u32 {
    let packet = &seen.packet;
    if socket.boundary_part.get() == Part::UNKNOWN.number() {
        return UNKNOWN;
    }
    let ahead = socket.boundary_seq.get().wrapping_sub(packet.seq);
    if ahead.cast_signed() < 0 {
        forget(socket);
        return UNKNOWN;
    }
    if ahead >= packet.payload_bytes {
        return AGAIN;
    }
    if !HTTP2 {
        // The kernel is too old for the loop: only the first request is found.
        if ahead == 0 && load(socket).is_at_head() {
            return 0;
        }
        forget(socket);
        return UNKNOWN;
    }
    walk(seen, socket)
}

/// Notes the body of the message whose head ends at `seq`, and goes on over the rest of its packet.
/// Whether another message begins there, or may.
#[inline(always)]
pub(crate) fn begin(seen: &FirstSeen<'_>, socket: &'static Socket, seq: u32, body: Body) -> bool {
    let boundary = Boundary::after_head(body);
    store(socket, seq, boundary);
    if walk(seen, socket) == BODY {
        return false;
    }
    // User space finds the messages within the packet, and where the last of them ends.
    forget(socket);
    true
}

/// Whether the message ends in the packet, which was followed to its end.
#[inline(always)]
pub(crate) fn is_at_end(socket: &Socket) -> bool {
    load(socket).is_at_head()
}

/// Whether the packet has the last byte before the boundary.
#[inline(always)]
pub(crate) fn has_last_byte(packet: &Packet, socket: &Socket) -> bool {
    let last_seq = socket.boundary_seq.get().wrapping_sub(1);
    last_seq.wrapping_sub(packet.seq) < packet.payload_bytes
}

/// It is not known where the next message begins.
#[inline(always)]
pub(crate) fn forget(socket: &Socket) {
    socket.boundary_part.set(Part::UNKNOWN.number());
    socket.flags.clear_bits(SURE);
}

/// Goes on to the next head, or to the end of the packet.
#[inline(never)]
fn walk(seen: &FirstSeen<'_>, socket: &'static Socket) -> u32 {
    let packet = &seen.packet;
    bpf_loop::repeat(MAX_STEPS, &Steps { seen, socket });
    let offset = socket.boundary_seq.get().wrapping_sub(packet.seq);
    if offset >= packet.payload_bytes {
        BODY
    } else if load(socket).is_at_head() {
        offset
    } else {
        forget(socket);
        UNKNOWN
    }
}

/// The loop over the parts of a packet.
struct Steps<'a> {
    seen: &'a FirstSeen<'a>,
    socket: &'static Socket,
}

impl Turn for Steps<'_> {
    /// Skips what is no line, or reads one byte of a line.
    #[inline(always)]
    fn turn(&self, _index: u32) -> ControlFlow<()> {
        let Self { seen, socket } = *self;
        let packet = &seen.packet;
        let seq = socket.boundary_seq.get();
        let offset = seq.wrapping_sub(packet.seq);
        let boundary = load(socket);
        if offset >= packet.payload_bytes {
            return ControlFlow::Break(());
        }
        let at = (packet.payload_offset + offset) as usize;
        let here = packet.payload_bytes - offset;
        let Some((passed, next)) = boundary.step(here, || seen.ctx.load::<u8>(at).ok()) else {
            return ControlFlow::Break(());
        };
        store(socket, seq.wrapping_add(passed), next);
        ControlFlow::Continue(())
    }
}

#[inline(always)]
fn load(socket: &Socket) -> Boundary {
    Boundary {
        part: Part::from_number(socket.boundary_part.get()),
        left: socket.boundary_left.get(),
    }
}

#[inline(always)]
fn store(socket: &Socket, seq: u32, boundary: Boundary) {
    socket.boundary_seq.set(seq);
    socket.boundary_left.set(boundary.left);
    socket.boundary_part.set(boundary.part.number());
}
