//! Follows the body of a response to the packet with its last byte.
//!
//! In: a response with a journey, and the packets that its socket sends next. Out: whether one of
//! them has the last byte, or a FIN before it. Followed are bodies with a length, and in chunks. Not
//! followed are those that end with the connection, those of a connection that pipelines, where it
//! is not known whether a response has a body, and those whose head does not end in its first
//! packet. Needs `bpf_loop`.

use tracer_common::{journey::ENDS_LATER, remote};

use crate::{
    boundary,
    first_seen::FirstSeen,
    head_scan::{self, Scanning},
    packet::{FIN, Packet},
    socket::{ASKED_NO_BODY, PIPELINES, RESPONDS, Socket},
};

/// What [`advance`] returns if the end of the response is not followed.
pub(crate) const NOT_FOLLOWED: u32 = u32::MAX;
/// If the packet is a part of the body, and not the last one.
pub(crate) const INSIDE: u32 = u32::MAX - 1;
/// If the packet has the last byte of the response.
pub(crate) const END: u32 = u32::MAX - 2;

/// Begins with a response that has a journey. Returns a flag for it.
#[inline(always)]
pub(crate) fn begin(seen: &mut FirstSeen<'_>, server: &'static Socket) -> u8 {
    server.flags.clear_bits(RESPONDS);
    if !seen.start.may_have_body() || server.is(ASKED_NO_BODY | PIPELINES) {
        return 0;
    }
    let scanned = head_scan::scan(seen, server, Scanning::Response);
    if !scanned.is_single() || boundary::is_at_end(server) {
        return 0;
    }
    if remote::is_remote(seen.sender_cookie) {
        server.request_ack.set(seen.packet.ack);
    }
    server.flags.set_bits(RESPONDS);
    ENDS_LATER
}

/// Whether the packet may have the head of another response, though the one before has not ended:
/// of a socket on another node it is not known whether a request was HEAD, whose response has no
/// body. Its client has sent another request since.
#[inline(always)]
pub(crate) fn may_be_over(seen: &FirstSeen<'_>, server: &Socket) -> bool {
    remote::is_remote(seen.sender_cookie) && server.request_ack.get() != seen.packet.ack
}

/// Whether a packet has the server's FIN, and the response has not ended before it.
#[inline(always)]
pub(crate) fn is_cut(packet: &Packet, server: &Socket) -> bool {
    packet.flags & FIN != 0 && server.is(RESPONDS) && !boundary::is_at_end(server)
}

/// Goes on over a packet. Where in its payload the next response begins, or one of the numbers
/// above.
#[inline(always)]
pub(crate) fn advance(seen: &FirstSeen<'_>, server: &'static Socket) -> u32 {
    match boundary::position::<true>(seen, server) {
        boundary::UNKNOWN => {
            server.flags.clear_bits(RESPONDS);
            NOT_FOLLOWED
        }
        boundary::BODY if boundary::is_at_end(server) => END,
        boundary::BODY => INSIDE,
        boundary::AGAIN if server.response_seq.get() == seen.packet.seq => NOT_FOLLOWED,
        boundary::AGAIN
            if boundary::is_at_end(server) && boundary::has_last_byte(&seen.packet, server) =>
        {
            END
        }
        boundary::AGAIN => INSIDE,
        offset => offset,
    }
}
