//! Loads the first bytes of a message of HTTP/1, and recognises them.

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, helpers::generated::bpf_skb_load_bytes};
use tracer_common::{
    http1::start::{START_BYTES, Start},
    message::Message,
};

use crate::{
    first_seen::{self, FirstSeen, Sighting},
    packet_bytes::bounded,
};

/// What [`recognise`] returns where nothing begins.
const NOTHING: u32 = 0;
pub(crate) const REQUEST: u32 = Message::Request as u32;
pub(crate) const RESPONSE: u32 = Message::Response as u32;

/// Loads the first bytes of the head, or of the payload where no head is known to begin. The
/// message that begins there, as a number; `is_request`: a request does, whatever its method.
#[inline(always)]
pub(crate) fn recognise(seen: &mut FirstSeen<'_>, is_request: bool) -> u32 {
    let (skb, sighting) = seen.as_raw();
    // SAFETY: as `from_raw` needs them.
    unsafe { http1_recognise(skb, sighting, is_request) }
}

/// Global: the verifier checks it once ([`first_seen`]).
///
/// # Safety
///
/// As [`first_seen::from_raw`].
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn http1_recognise(
    skb: *mut __sk_buff,
    sighting: *mut Sighting,
    is_request: bool,
) -> u32 {
    // SAFETY: by contract.
    unsafe { first_seen::from_raw(skb, sighting, NOTHING, |seen| load(seen, is_request)) }
}

#[inline(always)]
fn load(seen: &mut FirstSeen<'_>, is_request: bool) -> u32 {
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
