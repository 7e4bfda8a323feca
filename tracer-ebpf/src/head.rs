//! Copies the first bytes of a head to user space.

use tracer_common::{
    RecordKind,
    counter::Counter,
    head::{Head, MAX_HEAD_BYTES},
    message::Message,
};

use crate::{first_seen::FirstSeen, packet_bytes::PacketBytes, shared::copy_tuple};

/// What is copied.
#[derive(Clone, Copy)]
pub(crate) enum Piece {
    /// The head of a request, or its first bytes.
    Request,
    /// The head of a response, or its first bytes.
    Response,
    /// A packet that continues the head of a request.
    RequestContinued,
    /// A packet that continues the head of a response.
    ResponseContinued,
}

/// Copies the payload of a packet from the head on; false if it is lost, which is counted.
///
/// Never inlined: what it keeps on the stack is added to its caller's only while it runs.
#[inline(never)]
pub(crate) fn send(seen: &FirstSeen<'_>, piece: Piece) -> bool {
    match seen.head_bytes() {
        0..=512 => send_sized::<512>(seen, piece),
        513..=1024 => send_sized::<1024>(seen, piece),
        1025..=4096 => send_sized::<4096>(seen, piece),
        _ => send_sized::<MAX_HEAD_BYTES>(seen, piece),
    }
}

#[inline(always)]
fn send_sized<const N: usize>(seen: &FirstSeen<'_>, piece: Piece) -> bool {
    let packet = &seen.packet;
    let message = match piece {
        Piece::Response | Piece::ResponseContinued => Message::Response,
        Piece::Request | Piece::RequestContinued => Message::Request,
    };
    let captured_bytes = seen.head_bytes().min(N as u32);
    let continues = matches!(piece, Piece::RequestContinued | Piece::ResponseContinued);
    let bytes = PacketBytes {
        ctx: seen.ctx,
        tuple: &packet.tuple,
        offset: seen.head_begin(),
        length: captured_bytes,
    };
    bytes.send::<Head, N>(Counter::HeadLost, |header| {
        // SAFETY: `header` is reserved memory. It is written field by field: a whole structure
        // would be built on the stack first.
        unsafe {
            (*header).kind = RecordKind::Head as u32;
            (*header).captured_bytes = captured_bytes;
            (*header).start_ns = seen.start_ns;
            (*header).sender_cookie = seen.sender_cookie;
            (*header).seq = packet.seq;
            (*header).ack = packet.ack;
            (*header).payload_bytes = packet.payload_bytes;
            (*header).message = message as u8;
            (*header).continues = continues as u8;
            (*header).padding = [0; 2];
            copy_tuple(&packet.tuple, &raw mut (*header).sent);
            (*header).offset = seen.head_offset;
        }
    })
}
