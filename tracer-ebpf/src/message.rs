//! What a packet carries, wherever it is first seen: at the socket that sends it, or where it arrives
//! from another node. Copies what user space needs of it.

use tracer_common::{
    journey::{BEHIND_LEFT_OUT, HEAD_LOST},
    message::Message,
};

use crate::{
    first_seen::FirstSeen,
    head::{self, Piece},
    http1::{self, First},
    http2, partial_head,
    request::{self, Answer},
    socket::{self, HTTP1, PARTIAL, Socket},
};

/// A message, and the flags of the journey that it makes.
#[derive(Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) message: Message,
    pub(crate) flags: u8,
}

impl Carried {
    #[inline(always)]
    const fn plain(message: Message) -> Self {
        Self { message, flags: 0 }
    }
}

/// What the packet carries, if that is to be followed. `known` is what is remembered of its socket. A
/// connection that is known to be HTTP/2 is asked first: its bodies may look like anything.
#[inline(always)]
pub(crate) fn message<const HTTP2: bool>(
    seen: &FirstSeen<'_>,
    known: Option<&'static Socket>,
) -> Option<Carried> {
    if let Some(handshake) = http1::handshake(seen.packet) {
        return Some(Carried::plain(handshake));
    }
    let flags = known.map_or(0, |socket| socket.flags.get());
    if HTTP2 && flags & HTTP1 == 0 && http2::is_known(seen.sender_cookie) {
        return headers(seen);
    }
    let first = First::of(seen.ctx, seen.packet);
    let Some(head) = http1::message(first.word) else {
        if flags & PARTIAL != 0 && partial_head::go_on(seen) {
            return None;
        }
        if !HTTP2 || (flags & HTTP1 != 0 && !first.is_preface()) {
            return None;
        }
        let socket = remembered(known, seen.sender_cookie)?;
        if !http2::recognise(seen) {
            socket.sends_other();
            return None;
        }
        socket.flags.clear_bits(HTTP1);
        return headers(seen);
    };
    let socket = remembered(known, seen.sender_cookie)?;
    socket.speaks_http1();
    if head as u8 == Message::Request as u8 {
        return match request::sent::<HTTP2>(seen, socket, first.word) {
            Answer::LeaveOut => None,
            answer => {
                partial_head::begin(seen, socket);
                Some(Carried {
                    message: head,
                    flags: answer.flags(),
                })
            }
        };
    }
    if request::answer_is_left_out(socket) {
        return None;
    }
    if HTTP2 && first.switches() {
        socket.flags.clear_bits(HTTP1);
        if http2::begin_after_101(seen) && http2::follow(seen) {
            // The answer follows in the packet that announces it.
            return Some(Carried::plain(Message::Headers));
        }
    }
    Some(Carried::plain(head))
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
fn headers(seen: &FirstSeen<'_>) -> Option<Carried> {
    http2::follow(seen).then_some(Carried::plain(Message::Headers))
}

impl Answer {
    #[inline(always)]
    const fn flags(self) -> u8 {
        match self {
            Self::FollowBehindLeftOut => BEHIND_LEFT_OUT,
            Self::Follow | Self::LeaveOut => 0,
        }
    }
}

/// Copies the head of HTTP/1 that a packet starts with; the flags of its journey.
#[inline(always)]
pub(crate) fn copy_head(seen: &FirstSeen<'_>, message: Message) -> u8 {
    let copied = match message {
        Message::Request => head::send(seen, Piece::Request),
        Message::Response => head::send(seen, Piece::Response),
        _ => true,
    };
    if copied { 0 } else { HEAD_LOST }
}
