//! Decides which HTTP/1 requests are followed, and which responses with them.
//!
//! In: a request at the socket that sends it, and where it arrives. Out: whether its packet, and
//! that of its response, get journeys. A request whose spans would not be sampled is left out, so
//! that it costs the scan of its head and nothing else. A response is followed if the socket that
//! sends it has received a request with a journey and not yet responded: HTTP/1 responds in order,
//! and most clients wait for a response before the next request. On a connection where they do not,
//! every message is followed, and a request that is sent behind one that was left out has a flag.

use aya_ebpf::Global;
use tracer_common::{
    counter::Counter,
    journey::{self, BEHIND_LEFT_OUT, IN_SEQUENCE, NO_BODY, SINGLE},
    remote,
    seq::{after, before},
};

use crate::{
    boundary,
    counter::count,
    edge,
    first_seen::FirstSeen,
    head_scan::{self, Scanned, Scanning},
    socket::{
        ASKED_NO_BODY, CLIENT, HAS_REQUEST, HAS_RESPONDED, LEFT_OUT, OPENED, OWES_RESPONSE,
        PIPELINES, RESPONDS, SURE, Socket,
    },
    watch,
};

/// Which requests are followed besides those with a sampled trace context: none (0), those without
/// a trace context (1), or all (2). The agent writes it before it loads the programs.
#[unsafe(no_mangle)]
static FOLLOW: Global<u32> = Global::new(0);
const FOLLOW_UNTRACED: u32 = 1;
const FOLLOW_ALL: u32 = 2;

/// What [`decide`] returns for a request that is left out.
pub(crate) const IS_LEFT_OUT: u32 = 1 << 8;

/// Decides about a request at the socket that sends it. Flags of its journey, or [`IS_LEFT_OUT`].
/// `is_in_sequence`: it begins where the request before ends. Without HTTP/2 the kernel is too old
/// for the loop over the head, and everything is followed.
#[inline(always)]
pub(crate) fn decide<const HTTP2: bool>(
    seen: &mut FirstSeen<'_>,
    socket: &'static Socket,
    is_in_sequence: bool,
) -> u32 {
    let packet = &seen.packet;
    let is_first = !socket.is(HAS_REQUEST);
    let is_behind = !is_first && socket.request_ack.get() == packet.ack;
    if is_behind && !is_in_sequence {
        // The server has sent nothing since the last request: a part of its body, or a request that
        // does not wait for the response. User space finds out which.
        let behind = if socket.is(LEFT_OUT) {
            BEHIND_LEFT_OUT
        } else {
            0
        };
        return u32::from(behind | pipelines(socket));
    }
    // On a connection that was open before it was watched, what looks like the first request may be
    // a part of a body. The next one is a request if it begins where that one ends, with a packet,
    // and the server has sent something between them.
    let is_next = !is_first && !is_behind && seen.head_offset == 0;
    let is_sure = is_in_sequence && (socket.is(SURE) || is_next);
    let head_seq = seen.head_seq();
    let is_pipelined = is_behind && socket.request_seq.get() != head_seq;
    // Before a connection was watched, the client may have sent requests without waiting, too.
    let may_be_behind = socket.is(LEFT_OUT) || !socket.is(OPENED);
    socket.request_seq.set(head_seq);
    socket.request_ack.set(packet.ack);
    let behind = if is_pipelined { PIPELINES } else { 0 };
    let flags = socket.flags.get() & !LEFT_OUT | CLIENT | HAS_REQUEST | behind;
    socket.flags.set(flags);
    let follow = FOLLOW.load();
    let scanned = if HTTP2 && !seen.start.is_connect() {
        let scanning = if follow == FOLLOW_UNTRACED {
            Scanning::AnyRequest
        } else {
            Scanning::Request
        };
        head_scan::scan(seen, socket, scanning)
    } else {
        boundary::forget(socket);
        Scanned::UNCLEAR
    };
    if is_sure && scanned.is_single() {
        socket.flags.set_bits(SURE);
    }
    // A request in a SYN has no acknowledgment number, by which a pipelined one behind it would be
    // known: it is always followed.
    if HTTP2 && flags & PIPELINES == 0 && !seen.start.is_connect() && !seen.packet.is_syn() {
        let is_followed = follow == FOLLOW_ALL || scanned.is_followed();
        let is_left_out = if is_followed {
            edge::is_shed(seen)
        } else {
            let is_left_out = !watch::takes(seen.start_ns);
            if is_left_out {
                count(Counter::LeftOut);
            }
            is_left_out
        };
        if is_left_out {
            socket.flags.set_bits(LEFT_OUT);
            return IS_LEFT_OUT;
        }
    }
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(is_sure, IN_SEQUENCE)
        | flag(scanned.is_single(), SINGLE)
        | flag(seen.start.is_head(), NO_BODY)
        | flag(is_pipelined && may_be_behind, BEHIND_LEFT_OUT)
        | pipelines(socket);
    u32::from(flags)
}

/// The flag of a journey for a client that pipelines.
#[inline(always)]
pub(crate) fn pipelines(client: &Socket) -> u8 {
    if client.is(PIPELINES) {
        journey::PIPELINES
    } else {
        0
    }
}

/// Notes that a request with a journey arrives at a socket, which will send the response.
#[inline(always)]
pub(crate) fn arrived(socket: &Socket, seq: u32, ack: u32, journey_flags: u8) {
    let is_another = !socket.is(HAS_REQUEST) || socket.request_seq.get() != seq;
    if !is_another && socket.flags.get() & (OWES_RESPONSE | HAS_RESPONDED) == HAS_RESPONDED {
        // A late copy of a request that has its response.
        return;
    }
    let is_pipelined = is_another && socket.is(OWES_RESPONSE);
    let pipelines = if is_pipelined || journey_flags & (SINGLE | journey::PIPELINES) != SINGLE {
        PIPELINES
    } else {
        0
    };
    socket.request_seq.set(seq);
    socket.request_ack.set(ack);
    socket.set_http1();
    // A part of a response may have looked like a request of this socket before. What was known of
    // the end of the last response, or of that request, is no longer of use.
    boundary::forget(socket);
    let flags = socket.flags.get() & !(CLIENT | HAS_RESPONDED | RESPONDS | ASKED_NO_BODY);
    let no_body = if journey_flags & NO_BODY != 0 {
        ASKED_NO_BODY
    } else {
        0
    };
    socket
        .flags
        .set(flags | HAS_REQUEST | OWES_RESPONSE | no_body | pipelines);
}

/// Whether a response begins at `head_seq` because one is owed: it begins with the byte that the
/// client has asked for, however short the packet is.
#[inline(always)]
pub(crate) fn is_owed_response(socket: &Socket, head_seq: u32) -> bool {
    socket.is(OWES_RESPONSE) && socket.request_ack.get() == head_seq
}

/// Notes an interim response, which is alone in its packet: the owed one begins behind it.
#[inline(always)]
pub(crate) fn interim_response_ends(socket: &Socket, end_seq: u32) {
    if after(end_seq, socket.request_ack.get()) {
        socket.request_ack.set(end_seq);
    }
}

/// Whether a response is followed.
#[inline(always)]
pub(crate) fn is_response_followed(seen: &FirstSeen<'_>, socket: &Socket) -> bool {
    let seq = seen.packet.seq;
    // A remote socket has received its requests by an uplink, under another cookie.
    let is_remote = remote::is_remote(seen.sender_cookie);
    if is_remote || socket.is(OWES_RESPONSE | PIPELINES) {
        // What the client had received when it sent the request does not answer it: it is sent
        // again.
        let is_again = !is_remote && before(seen.head_seq(), socket.request_ack.get());
        if seen.start.is_final() && !is_again {
            socket.response_seq.set(seq);
            let flags = socket.flags.get();
            socket.flags.set(flags & !OWES_RESPONSE | HAS_RESPONDED);
        }
        return true;
    }
    socket.is(HAS_RESPONDED) && socket.response_seq.get() == seq
}
