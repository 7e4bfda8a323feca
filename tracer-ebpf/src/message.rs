//! Decides which message a packet carries and whether it is followed, at the socket that sends it
//! or where it arrives from another node.

use tracer_common::{
    journey::{ENDS_LATER, HEAD_LOST, IN_SEQUENCE, INTERIM, SINGLE},
    message::Message,
    remote,
};

use crate::{
    boundary,
    first_seen::FirstSeen,
    head::{self, Piece},
    http1, http2,
    packet::{FIN, Packet},
    partial_head, request, response_body,
    socket::{
        self, ACCEPTED, CLIENT, HAS_REQUEST, HTTP1, LEFT_OUT, OPENED, PARTIAL_HEAD, RESPONDS, SURE,
        Socket,
    },
};

/// The number of no message.
pub(crate) const NOTHING: u8 = 0;

/// The number of a message that is followed, or [`NOTHING`], and flags of its journey.
#[derive(Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) message: u8,
    pub(crate) flags: u8,
}

impl Followed {
    #[inline(always)]
    const fn new(message: Message) -> Self {
        Self::with(message, 0)
    }

    #[inline(always)]
    const fn with(message: Message, flags: u8) -> Self {
        Self {
            message: message as u8,
            flags,
        }
    }
}

/// Whether a packet of this socket may carry a message. Most packets of a busy connection are
/// acknowledgments; a FIN alone matters in the middle of a response.
#[inline(always)]
pub(crate) fn may_be_in(packet: &Packet, sender: Option<&'static Socket>) -> bool {
    packet.may_carry_message()
        || (packet.flags & FIN != 0 && sender.is_some_and(|sender| sender.is(RESPONDS)))
}

/// The message of a packet, if it is followed. `known` is the sending socket, if it is remembered.
///
/// From here on the sequence number of a SYN with a message is that of its first byte of payload.
#[inline(always)]
pub(crate) fn followed<const HTTP2: bool>(
    seen: &mut FirstSeen<'_>,
    known: Option<&'static Socket>,
) -> Followed {
    if seen.packet.is_syn_ack() {
        // At the socket that sends it, it has the cookie of the listener.
        if remote::is_remote(seen.sender_cookie)
            && let Some(server) = remembered(known, seen.sender_cookie)
        {
            server.flags.set_bits(ACCEPTED);
        }
        return Followed::new(Message::SynAck);
    }
    let is_syn = seen.packet.is_syn();
    if is_syn {
        let seq = seen.packet.seq.wrapping_add(1);
        if let Some(client) = remembered(known, seen.sender_cookie) {
            boundary::open(client, seq);
        }
        if seen.packet.payload_bytes == 0 {
            return Followed::new(Message::Syn);
        }
        seen.packet.seq = seq;
    }
    let flags = match known {
        _ if is_syn => OPENED | SURE,
        Some(socket) => socket.flags.get(),
        None => 0,
    };
    match in_payload::<HTTP2>(seen, known, flags) {
        Some(found) => found,
        None if is_syn => {
            seen.packet.seq = seen.packet.seq.wrapping_sub(1);
            Followed::new(Message::Syn)
        }
        None => Followed {
            message: NOTHING,
            flags: 0,
        },
    }
}

/// The message in the payload of a packet, if it is followed. `flags` are those of the sending
/// socket.
///
/// HTTP/2 is checked before HTTP/1, because a body on such a connection may look like a head.
#[inline(always)]
fn in_payload<const HTTP2: bool>(
    seen: &mut FirstSeen<'_>,
    known: Option<&'static Socket>,
    flags: u32,
) -> Option<Followed> {
    if HTTP2 && flags & HTTP1 == 0 && http2::is_known(seen.sender_cookie) {
        return headers(seen);
    }
    // From here on never null: of an `Option` that is asked twice, verifiers before 6.3 do not know
    // that the answers agree.
    let socket = remembered(known, seen.sender_cookie)?;
    let is_client = flags & CLIENT != 0;
    let mut is_in_sequence = false;
    if flags & (CLIENT | SURE) != 0 {
        match boundary::position::<HTTP2>(seen, socket) {
            boundary::UNKNOWN => {}
            boundary::BODY => return None,
            boundary::AGAIN => return again(seen, socket),
            offset => {
                seen.head_offset = offset;
                is_in_sequence = true;
            }
        }
    }
    let mut is_behind_body = false;
    if HTTP2 && socket.is(RESPONDS) && !response_body::may_be_over(seen, socket) {
        match response_body::advance(seen, socket) {
            response_body::NOT_FOLLOWED if seen.packet.payload_bytes == 0 => return None,
            response_body::NOT_FOLLOWED => {}
            response_body::INSIDE => return cut_response(seen, socket),
            response_body::END => return Some(Followed::new(Message::ResponseEnd)),
            offset => {
                seen.head_offset = offset;
                is_behind_body = true;
            }
        }
    }
    if flags & (CLIENT | PARTIAL_HEAD) == CLIENT | PARTIAL_HEAD
        && socket.request_ack.get() == seen.packet.ack
        && partial_head::send_next(seen, socket, Piece::RequestContinued) == partial_head::NEXT
    {
        // The rest of a method can look like another one.
        return None;
    }
    let found = http1::recognise(seen, is_in_sequence && is_client);
    // A server sends no requests: what looks like one is a part of a response.
    let is_server = flags & ACCEPTED != 0 || flags & (CLIENT | HAS_REQUEST) == HAS_REQUEST;
    if found == http1::REQUEST && !is_server {
        socket.set_http1();
        return request::<HTTP2>(seen, socket, is_in_sequence);
    }
    if is_in_sequence {
        // Another protocol.
        boundary::forget(socket);
        if seen.head_offset != 0 {
            // What precedes it is a body, which can look like anything.
            return None;
        }
    }
    // A client sends no responses: what looks like one is a part of a body.
    if flags & (CLIENT | OPENED) == 0
        && (found == http1::RESPONSE || request::is_owed_response(socket, seen.head_seq()))
    {
        return response::<HTTP2>(seen, socket);
    }
    if is_behind_body {
        return Some(Followed::new(Message::ResponseEnd));
    }
    if HTTP2 && socket.is(RESPONDS) && response_body::may_be_over(seen, socket) {
        return match response_body::advance(seen, socket) {
            response_body::NOT_FOLLOWED => None,
            response_body::INSIDE => cut_response(seen, socket),
            _ => Some(Followed::new(Message::ResponseEnd)),
        };
    }
    other::<HTTP2>(seen, socket)
}

#[inline(always)]
fn request<const HTTP2: bool>(
    seen: &mut FirstSeen<'_>,
    socket: &'static Socket,
    is_in_sequence: bool,
) -> Option<Followed> {
    let decided = request::decide::<HTTP2>(seen, socket, is_in_sequence);
    if decided & request::IS_LEFT_OUT != 0 {
        return None;
    }
    let flags = decided as u8;
    if flags & SINGLE == 0 {
        partial_head::begin(seen, socket);
    } else if socket.is(PARTIAL_HEAD) {
        partial_head::end(seen, socket);
    }
    Some(Followed::with(Message::Request, flags))
}

/// A packet is sent again. The last request begins in it, if any does. It was whole and alone in its
/// packet, because otherwise it would not be known where the next one begins.
#[inline(always)]
fn again(seen: &mut FirstSeen<'_>, client: &Socket) -> Option<Followed> {
    let offset = client.request_seq.get().wrapping_sub(seen.packet.seq);
    if !client.is(HAS_REQUEST) || client.is(LEFT_OUT) || offset >= seen.packet.payload_bytes {
        return None;
    }
    seen.head_offset = offset;
    let flags = if client.is(SURE) {
        SINGLE | IN_SEQUENCE
    } else {
        SINGLE
    };
    let flags = flags | request::pipelines(client);
    Some(Followed::with(Message::Request, flags))
}

#[inline(always)]
fn response<const HTTP2: bool>(
    seen: &mut FirstSeen<'_>,
    server: &'static Socket,
) -> Option<Followed> {
    server.set_http1();
    let is_copy = server.is(RESPONDS) && server.response_seq.get() == seen.packet.seq;
    if !request::is_response_followed(seen, server) {
        return None;
    }
    if HTTP2 && seen.start.is_switching_protocols() {
        server.flags.clear_bits(HTTP1);
        if http2::begin_after_101(seen) && http2::follow(seen) {
            // The packet has the HEADERS of the response behind the head of the 101.
            return Some(Followed::new(Message::Headers));
        }
    }
    if !seen.start.has_status() {
        partial_head::begin(seen, server);
    } else if !seen.start.is_final() && partial_head::ends_with_blank_line(seen) {
        request::interim_response_ends(server, seen.packet.end_seq());
    }
    let interim = if seen.start.is_final() { 0 } else { INTERIM };
    let flags = if is_copy {
        ENDS_LATER
    } else if HTTP2 {
        response_body::begin(seen, server)
    } else {
        0
    };
    Some(Followed::with(Message::Response, flags | interim))
}

/// A packet in the middle of a response: followed if the server sends nothing behind it.
#[inline(always)]
fn cut_response(seen: &FirstSeen<'_>, server: &Socket) -> Option<Followed> {
    let cut = Followed::with(Message::ResponseEnd, ENDS_LATER);
    response_body::is_cut(&seen.packet, server).then_some(cut)
}

/// A packet that does not look like the beginning of a message of HTTP/1.
#[inline(always)]
fn other<const HTTP2: bool>(seen: &mut FirstSeen<'_>, socket: &'static Socket) -> Option<Followed> {
    let flags = socket.flags.get();
    let piece = if flags & CLIENT != 0 {
        Piece::RequestContinued
    } else {
        Piece::ResponseContinued
    };
    if flags & PARTIAL_HEAD != 0
        && partial_head::send_next(seen, socket, piece) != partial_head::NONE
    {
        return None;
    }
    if flags & HTTP1 != 0 && !seen.start.is_http2_preface() {
        return None;
    }
    if !HTTP2 || !http2::recognise(seen) {
        socket.count_other_message();
        return None;
    }
    socket.flags.clear_bits(HTTP1);
    headers(seen)
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
fn headers(seen: &mut FirstSeen<'_>) -> Option<Followed> {
    http2::follow(seen).then_some(Followed::new(Message::Headers))
}

/// Sends the head of HTTP/1 that a packet has. Returns flags for its journey.
#[inline(always)]
pub(crate) fn send_head(seen: &FirstSeen<'_>, message: u8) -> u8 {
    let is_sent = if message == Message::Request as u8 {
        head::send(seen, Piece::Request)
    } else if message == Message::Response as u8 {
        head::send(seen, Piece::Response)
    } else {
        true
    };
    if is_sent { 0 } else { HEAD_LOST }
}
