//! Which requests are followed, and which answers with them.
//!
//! In: a request at the socket that sends it, and where it arrives. Out: whether its packet, and that of
//! its answer, become journeys. A request of which nobody would see the spans is left out here, so that it
//! costs the reading of its head and nothing else. HTTP/1 answers in order; what a socket remembers is the
//! last request, so that this holds for connections on which a request waits for the answer before. On
//! others everything is followed, and a request that is sent behind one that was left out says so.

use aya_ebpf::Global;
use tracer_common::counter::Counter;

use crate::{
    counter::count,
    edge,
    first_seen::FirstSeen,
    http1,
    packet::Packet,
    socket::{ASKED, CLIENT, LEFT_OUT, PIPELINES, Socket},
    trace_header,
};

/// What is followed besides requests with a sampled context: nothing with 0, with 1 requests without a
/// context, with 2 all.
#[unsafe(no_mangle)]
static FOLLOW: Global<u32> = Global::new(0);
const FOLLOW_UNTRACED: u32 = 1;
const FOLLOW_ALL: u32 = 2;

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    LeaveOut,
    Follow,
    /// It is followed, and the one before, which was left out, was not answered when it was sent.
    FollowBehindLeftOut,
}

/// A socket sends a request; `first` are its first bytes. Without HTTP/2 the kernel is too old for the
/// loop over the head, and everything is followed.
#[inline(always)]
pub(crate) fn sent<const HTTP2: bool>(seen: &FirstSeen<'_>, socket: &Socket, first: u64) -> Answer {
    let was_left_out = socket.is(LEFT_OUT);
    let is_pipelined = note(socket, seen.packet);
    let follow = FOLLOW.load();
    if HTTP2 && !socket.is(PIPELINES) && !http1::is_connect(first) {
        let is_wanted =
            follow == FOLLOW_ALL || trace_header::is_followed(seen, follow == FOLLOW_UNTRACED);
        if !is_wanted {
            count(Counter::LeftOut);
        }
        if !is_wanted || edge::sheds(seen) {
            socket.flags.set_bits(CLIENT | LEFT_OUT);
            return Answer::LeaveOut;
        }
    }
    socket.flags.set(socket.flags.get() & !LEFT_OUT | CLIENT);
    if is_pipelined && was_left_out {
        Answer::FollowBehindLeftOut
    } else {
        Answer::Follow
    }
}

/// A request arrives, that is followed or not.
#[inline(always)]
pub(crate) fn arrived(socket: &Socket, packet: &Packet, is_followed: bool) {
    note(socket, packet);
    socket.speaks_http1();
    if is_followed {
        socket.flags.clear_bits(LEFT_OUT);
    } else {
        socket.flags.set_bits(LEFT_OUT);
    }
}

/// Whether the answer that a socket sends is to a request that was left out.
#[inline(always)]
pub(crate) fn answer_is_left_out(socket: &Socket) -> bool {
    socket.flags.get() & (LEFT_OUT | PIPELINES | CLIENT) == LEFT_OUT
}

/// Remembers a request; whether it was sent before the one before was answered. It then acknowledges no
/// more than that one did.
#[inline(always)]
fn note(socket: &Socket, packet: &Packet) -> bool {
    let is_another = socket.is(ASKED) && socket.request_seq.get() != packet.seq;
    let is_pipelined = is_another && socket.request_ack.get() == packet.ack;
    socket.flags.set_bits(if is_pipelined {
        ASKED | PIPELINES
    } else {
        ASKED
    });
    socket.request_seq.set(packet.seq);
    socket.request_ack.set(packet.ack);
    is_pipelined
}
