//! Copies bytes of a packet to user space, behind the header of a record.

use core::mem::MaybeUninit;

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_skb_load_bytes, programs::SkBuffContext};
use tracer_common::{counter::Counter, tuple::Tuple};

use crate::ring;

/// Bytes of a packet.
pub(crate) struct PacketBytes<'a> {
    pub(crate) ctx: &'a SkBuffContext,
    pub(crate) tuple: &'a Tuple,
    /// Where they start, from the network header.
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

/// A record on the ring buffer. A reservation has a size that the verifier knows, so `N` is one of
/// a few sizes and not the length of what is copied.
#[repr(C)]
struct WithBytes<H, const N: usize> {
    header: H,
    bytes: [u8; N],
}

impl PacketBytes<'_> {
    /// Sends a header that `write_header` fills in, and the bytes, of which there are at most `N`.
    /// False if the record is lost, which is counted.
    #[inline(always)]
    pub(crate) fn send<H: 'static, const N: usize>(
        &self,
        lost: Counter,
        write_header: impl FnOnce(*mut H),
    ) -> bool {
        let Some(mut entry) = ring::reserve::<WithBytes<H, N>>(self.tuple, lost) else {
            return false;
        };
        let record: *mut WithBytes<H, N> = MaybeUninit::as_mut_ptr(&mut entry);
        // SAFETY: a field of the record, which is reserved for this program until it is submitted.
        write_header(unsafe { &raw mut (*record).header });
        let failed = if self.length == 0 {
            0
        } else {
            // SAFETY: as above, and `bounded` gives at most N.
            unsafe {
                bpf_skb_load_bytes(
                    self.ctx.as_ptr(),
                    self.offset,
                    (&raw mut (*record).bytes).cast(),
                    bounded::<N>(self.length),
                )
            }
        };
        if failed != 0 {
            entry.discard(ring::NO_WAKEUP);
            ring::lose(Counter::HeadUnreadable);
            return false;
        }
        entry.submit(ring::NO_WAKEUP);
        true
    }
}

/// `bytes`, which is not zero, as a number that the verifier accepts as between 1 and `N`.
///
/// The mask gives both bounds by arithmetic: before 6.8 the verifier learns nothing from a
/// comparison with zero (kernel: check_cond_jmp_op), and refuses a copy whose size may be zero. The
/// black box hides from the compiler what it has learned of the value, or it would omit what the
/// verifier needs to see.
#[inline(always)]
pub(crate) fn bounded<const N: usize>(bytes: u32) -> u32 {
    const { assert!(N.is_power_of_two()) };
    let at_most = core::hint::black_box(bytes).min(N as u32);
    (at_most.wrapping_sub(1) & (N as u32 - 1)) + 1
}
