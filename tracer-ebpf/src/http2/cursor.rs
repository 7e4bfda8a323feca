//! Where one direction of an HTTP/2 connection is within its frames.

use aya_ebpf::{macros::map, maps::LruHashMap};

use super::frame::FRAME_HEADER_BYTES;
use crate::shared::{Cells, MapValue as _, Shared};

/// Sending sides of connections. The least recently used goes when there are more, and is
/// recognised again when it sends.
const MAX_CONNECTIONS: u32 = 65_536;

/// Inside a frame whose bytes are copied.
pub(super) const COPYING: u8 = 1;
/// The boundary was lost since the last fragment.
pub(super) const LOST: u8 = 2;
/// The boundary is not known.
pub(super) const ADRIFT: u8 = 4;
/// No preface was seen.
pub(super) const RECOGNISED: u8 = 8;

/// [`FrameCursor::run`] of none.
pub(super) const NO_RUN: u32 = u32::MAX;

/// Where one direction of a connection is.
///
/// The packets of one socket leave one after the other, under its lock. Those of a socket on another node
/// may arrive on two CPUs at once, and an element may be given to another connection while its cells
/// are accessed. The boundary of the frames is then lost, which shows as bytes that are no frame or
/// that were not seen, and is found again; no offset is used but within the payload of its packet.
#[repr(C)]
pub(super) struct FrameCursor {
    /// Where the next frame header starts.
    pub(super) next_seq: Shared<u32>,
    /// Everything before was looked at.
    pub(super) seen_seq: Shared<u32>,
    /// The part of a frame header that the packet before ended with.
    pub(super) header: [Shared<u8>; FRAME_HEADER_BYTES],
    pub(super) header_bytes: Shared<u8>,
    pub(super) flags: Shared<u8>,
    /// Whether HEADERS start in the packet that is walked over.
    pub(super) has_headers: Shared<u8>,
    /// Where the next frame starts in that packet. Of what is in a map the verifier knows nothing, so that
    /// one turn of the loop looks like any other to it.
    pub(super) offset: Shared<u32>,
    /// Where the frames to be copied start; [`NO_RUN`] where there are none.
    pub(super) run: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for FrameCursor {}

impl FrameCursor {
    /// A cursor from which the next frame header starts at `next_seq`.
    pub(super) const fn new(next_seq: u32, seen_seq: u32, flags: u8) -> Self {
        Self {
            next_seq: Shared::new(next_seq),
            seen_seq: Shared::new(seen_seq),
            header: [const { Shared::new(0) }; FRAME_HEADER_BYTES],
            header_bytes: Shared::new(0),
            flags: Shared::new(flags),
            has_headers: Shared::new(0),
            offset: Shared::new(0),
            run: Shared::new(NO_RUN),
        }
    }

    #[inline(always)]
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline(always)]
    pub(super) fn header(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut header = [0; FRAME_HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(&self.header) {
            *to = from.get();
        }
        header
    }
}

#[map]
static FRAME_CURSORS: LruHashMap<u64, FrameCursor> =
    LruHashMap::with_max_entries(MAX_CONNECTIONS, 0);

/// The cursor of a sending side.
#[inline(always)]
pub(super) fn find(sender_cookie: u64) -> Option<&'static FrameCursor> {
    FRAME_CURSORS.value(sender_cookie)
}

/// Remembers the cursor of a sending side; whether there is room.
#[inline(always)]
pub(super) fn insert(sender_cookie: u64, cursor: &FrameCursor) -> bool {
    FRAME_CURSORS.insert(sender_cookie, cursor, 0).is_ok()
}

/// Whether this side of the connection is known to send HTTP/2.
#[inline(always)]
pub(crate) fn is_known(sender_cookie: u64) -> bool {
    find(sender_cookie).is_some()
}

/// This side begins anew, with another connection.
#[inline(always)]
pub(crate) fn forget(sender_cookie: u64) {
    let _ = FRAME_CURSORS.remove(sender_cookie);
}
