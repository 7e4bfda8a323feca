//! Decides which HTTP/1 requests are followed, and which responses with them.
//!
//! In: a request at the socket that sends it, and where it arrives. Out: whether its packet, and
//! that of its response, get journeys. A request whose spans would not be sampled is left out, so
//! that it costs the scan of its head and nothing else. HTTP/1 responds in order, and a socket
//! remembers its last request: this is enough on connections where each request waits for the
//! response before. On others every request is followed, and one that is sent behind a request that
//! was left out has a flag.

use aya_ebpf::Global;
use tracer_common::counter::Counter;

use crate::{
    counter::count,
    edge,
    first_seen::FirstSeen,
    head_scan, http1,
    packet::Packet,
    socket::{CLIENT, HAS_REQUEST, LEFT_OUT, PIPELINES, Socket},
};

/// Which requests are followed besides those with a sampled trace context: none (0), those without
/// a trace context (1), or all (2). The agent writes it before it loads the programs.
#[unsafe(no_mangle)]
static FOLLOW: Global<u32> = Global::new(0);
const FOLLOW_UNTRACED: u32 = 1;
const FOLLOW_ALL: u32 = 2;

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    LeaveOut,
    Follow,
    /// As `Follow`. The request before was left out, and had no response when this one was sent.
    FollowBehindLeftOut,
}

/// Decides about a request at the socket that sends it; `first` are its first bytes. Without HTTP/2
/// the kernel is too old for the loop over the head, and everything is followed.
#[inline(always)]
pub(crate) fn decide<const HTTP2: bool>(
    seen: &FirstSeen<'_>,
    socket: &Socket,
    first: u64,
) -> Decision {
    let was_left_out = socket.is(LEFT_OUT);
    let is_pipelined = remember(socket, seen.packet);
    let follow = FOLLOW.load();
    if HTTP2 && !socket.is(PIPELINES) && !http1::is_connect(first) {
        let is_followed =
            follow == FOLLOW_ALL || head_scan::is_followed(seen, follow == FOLLOW_UNTRACED);
        if !is_followed {
            count(Counter::LeftOut);
        }
        if !is_followed || edge::is_shed(seen) {
            socket.flags.set_bits(CLIENT | LEFT_OUT);
            return Decision::LeaveOut;
        }
    }
    socket.flags.set(socket.flags.get() & !LEFT_OUT | CLIENT);
    if is_pipelined && was_left_out {
        Decision::FollowBehindLeftOut
    } else {
        Decision::Follow
    }
}

/// Notes that a request arrives at a socket, and whether it has a journey.
#[inline(always)]
pub(crate) fn arrived(socket: &Socket, packet: &Packet, is_followed: bool) {
    remember(socket, packet);
    socket.set_http1();
    if is_followed {
        socket.flags.clear_bits(LEFT_OUT);
    } else {
        socket.flags.set_bits(LEFT_OUT);
    }
}

/// Whether a response that the socket sends belongs to a request that was left out.
#[inline(always)]
pub(crate) fn is_response_left_out(socket: &Socket) -> bool {
    socket.flags.get() & (LEFT_OUT | PIPELINES | CLIENT) == LEFT_OUT
}

/// Remembers a request. Whether it is sent before the response to the one before: its
/// acknowledgment number is then the same.
#[inline(always)]
fn remember(socket: &Socket, packet: &Packet) -> bool {
    let is_another = socket.is(HAS_REQUEST) && socket.request_seq.get() != packet.seq;
    let is_pipelined = is_another && socket.request_ack.get() == packet.ack;
    socket.flags.set_bits(if is_pipelined {
        HAS_REQUEST | PIPELINES
    } else {
        HAS_REQUEST
    });
    socket.request_seq.set(packet.seq);
    socket.request_ack.set(packet.ack);
    is_pipelined
}
