//! Where one direction of an HTTP/2 connection is within its frames.

use aya_ebpf::{macros::map, maps::LruHashMap};

use super::frame::FRAME_HEADER_BYTES;
use crate::shared::{Cells, MapValue as _, Shared};

/// Sending sides of connections. The least recently used is removed when there are more, and is
/// recognised again when it sends.
const MAX_CURSORS: u32 = 65_536;

/// Flag: the payload is within a frame whose bytes are copied.
pub(super) const COPYING: u8 = 1;
/// Flag: the boundary was lost after the last fragment.
pub(super) const LOST: u8 = 2;
/// Flag: the boundary is not known.
pub(super) const OUT_OF_SYNC: u8 = 4;
/// Flag: the connection was recognised by its frames, not by its preface.
pub(super) const RECOGNISED: u8 = 8;

/// [`FrameCursor::run`] where no frames wait to be copied.
pub(super) const NO_RUN: u32 = u32::MAX;

/// The position of one direction of a connection.
///
/// The packets of one socket leave one after the other, under the socket's lock. Those of a socket
/// on another node may arrive on two CPUs at the same time, and an element may be given to another
/// connection while its cells are accessed. The boundary is then lost, which shows as bytes that
/// are no frame or that were not seen, and is found again. No offset is used beyond the payload of
/// its packet.
#[repr(C)]
pub(super) struct FrameCursor {
    /// Sequence number of the next frame header.
    pub(super) next_seq: Shared<u32>,
    /// Sequence number of the first byte that no packet had yet.
    pub(super) seen_seq: Shared<u32>,
    /// The part of a frame header at the end of the packet before.
    pub(super) header: [Shared<u8>; FRAME_HEADER_BYTES],
    pub(super) header_bytes: Shared<u8>,
    pub(super) flags: Shared<u8>,
    /// 1 if HEADERS start in the current packet.
    pub(super) has_headers: Shared<u8>,
    /// Offset of the next frame in the payload of the current packet.
    pub(super) offset: Shared<u32>,
    /// Offset of the first of the frames that are copied next, or [`NO_RUN`].
    pub(super) run: Shared<u32>,
    /// Offset of the end of those frames' copied part.
    pub(super) run_end: Shared<u32>,
}

// SAFETY: nothing but cells.
unsafe impl Cells for FrameCursor {}

impl FrameCursor {
    /// A cursor before the frame header at `next_seq`.
    #[inline(always)]
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
            run_end: Shared::new(0),
        }
    }

    #[inline(always)]
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    /// The frame header, once it is complete.
    #[inline(always)]
    pub(super) fn header(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut header = [0; FRAME_HEADER_BYTES];
        for (to, from) in header.iter_mut().zip(&self.header) {
            *to = from.get();
        }
        header
    }
}

/// By the sender's cookie.
#[map]
static FRAME_CURSORS: LruHashMap<u64, FrameCursor> = LruHashMap::with_max_entries(MAX_CURSORS, 0);

#[inline(always)]
pub(super) fn find(sender_cookie: u64) -> Option<&'static FrameCursor> {
    FRAME_CURSORS.value(sender_cookie)
}

/// False if the kernel has no memory for the cursor.
#[inline(always)]
pub(super) fn insert(sender_cookie: u64, cursor: &FrameCursor) -> bool {
    FRAME_CURSORS.insert(sender_cookie, cursor, 0).is_ok()
}

/// Whether this side of a connection is known to send HTTP/2.
#[inline(always)]
pub(crate) fn is_known(sender_cookie: u64) -> bool {
    find(sender_cookie).is_some()
}

/// Removes the cursor: the cookie stands for another connection from now on.
#[inline(always)]
pub(crate) fn forget(sender_cookie: u64) {
    let _ = FRAME_CURSORS.remove(sender_cookie);
}
