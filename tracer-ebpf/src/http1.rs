//! Loads the first bytes of a message of HTTP/1, and recognises them.

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_skb_load_bytes};
use tracer_common::{
    http1::start::{START_BYTES, Start},
    message::Message,
};

use crate::{first_seen::FirstSeen, packet_bytes::bounded};

/// What [`recognise`] returns where nothing begins.
const NOTHING: u32 = 0;
pub(crate) const REQUEST: u32 = Message::Request as u32;
pub(crate) const RESPONSE: u32 = Message::Response as u32;

/// Loads the first bytes of the head, or of the payload where no head is known to begin. The
/// message that begins there, as a number; `is_request`: a request does, whatever its method.
///
/// Never inlined: the verifier walks through each comparison, and after the return only the number
/// is left of them.
#[inline(never)]
pub(crate) fn recognise(seen: &mut FirstSeen<'_>, is_request: bool) -> u32 {
    let length = bounded::<{ START_BYTES as usize }>(seen.head_bytes());
    let mut bytes = [0_u64; 2];
    // SAFETY: `length` is at most the size of the array.
    let failed = unsafe {
        bpf_skb_load_bytes(
            seen.ctx.as_ptr(),
            seen.head_begin(),
            (&raw mut bytes).cast(),
            length,
        )
    };
    if failed != 0 {
        return NOTHING;
    }
    seen.start = Start::new(bytes, length);
    if is_request {
        return if seen.start.may_be_request() && !seen.start.is_http2_preface() {
            REQUEST
        } else {
            NOTHING
        };
    }
    seen.start
        .message()
        .map_or(NOTHING, |message| message as u32)
}
