//! Decides which message a packet carries and whether it is followed, at the socket that sends it
//! or where it arrives from another node.

use tracer_common::{
    journey::{BEHIND_LEFT_OUT, HEAD_LOST},
    message::Message,
};

use crate::{
    first_seen::FirstSeen,
    head::{self, Piece},
    http1::{self, FirstBytes},
    http2, partial_head,
    request::{self, Decision},
    socket::{self, HTTP1, PARTIAL_HEAD, Socket},
};

/// A message that is followed, and flags of its journey.
#[derive(Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) message: Message,
    pub(crate) flags: u8,
}

impl Followed {
    #[inline(always)]
    const fn new(message: Message) -> Self {
        Self { message, flags: 0 }
    }
}

/// The message of a packet, if it is followed. `known` is the sending socket, if it is remembered.
///
/// HTTP/2 is checked before HTTP/1, because a body on such a connection may look like a head.
#[inline(always)]
pub(crate) fn followed<const HTTP2: bool>(
    seen: &FirstSeen<'_>,
    known: Option<&'static Socket>,
) -> Option<Followed> {
    if let Some(handshake) = seen.packet.handshake() {
        return Some(Followed::new(handshake));
    }
    let flags = known.map_or(0, |socket| socket.flags.get());
    if HTTP2 && flags & HTTP1 == 0 && http2::is_known(seen.sender_cookie) {
        return headers(seen);
    }
    let first = FirstBytes::load(seen.ctx, seen.packet);
    let Some(message) = http1::message(first.word) else {
        if flags & PARTIAL_HEAD != 0 && partial_head::send_next(seen) {
            return None;
        }
        if !HTTP2 || (flags & HTTP1 != 0 && !first.is_http2_preface()) {
            return None;
        }
        let socket = remembered(known, seen.sender_cookie)?;
        if !http2::recognise(seen) {
            socket.count_other_message();
            return None;
        }
        socket.flags.clear_bits(HTTP1);
        return headers(seen);
    };
    let socket = remembered(known, seen.sender_cookie)?;
    socket.set_http1();
    if message as u8 == Message::Request as u8 {
        let flags = match request::decide::<HTTP2>(seen, socket, first.word) {
            Decision::LeaveOut => return None,
            Decision::Follow => 0,
            Decision::FollowBehindLeftOut => BEHIND_LEFT_OUT,
        };
        partial_head::begin(seen, socket);
        return Some(Followed { message, flags });
    }
    if request::is_response_left_out(socket) {
        return None;
    }
    if HTTP2 && first.is_switching_protocols() {
        socket.flags.clear_bits(HTTP1);
        if http2::begin_after_101(seen) && http2::follow(seen) {
            // The packet has the HEADERS of the response behind the head of the 101.
            return Some(Followed::new(Message::Headers));
        }
    }
    Some(Followed::new(message))
}

/// The socket, which is remembered from now on if it was not.
#[inline(always)]
fn remembered(known: Option<&'static Socket>, cookie: u64) -> Option<&'static Socket> {
    match known {
        Some(socket) => Some(socket),
        None => socket::find_or_add(cookie),
    }
}

#[inline(always)]
fn headers(seen: &FirstSeen<'_>) -> Option<Followed> {
    http2::follow(seen).then_some(Followed::new(Message::Headers))
}

/// Sends the head of HTTP/1 that a packet starts with. Returns flags for its journey.
#[inline(always)]
pub(crate) fn send_head(seen: &FirstSeen<'_>, message: Message) -> u8 {
    let is_sent = match message {
        Message::Request => head::send(seen, Piece::Request),
        Message::Response => head::send(seen, Piece::Response),
        _ => true,
    };
    if is_sent { 0 } else { HEAD_LOST }
}
