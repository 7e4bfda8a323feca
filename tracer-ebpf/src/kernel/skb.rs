//! `struct sk_buff`.

use core::ffi::c_void;

use super::{conntrack::NfConn, device::NetDevice, field, offsets};

offsets!(SK_BUFF_DEV, SK_BUFF_NFCT);

/// The low bits of `_nfct` are `enum ip_conntrack_info` (kernel: NFCT_INFOMASK, 5.x to 6.18).
const NFCT_PTRMASK: u64 = !7;

/// A pointer that the kernel passed as `struct sk_buff *`.
#[derive(Clone, Copy)]
pub(crate) struct Skb(*const c_void);

impl Skb {
    pub(crate) const fn new(skb: *const c_void) -> Self {
        Self(skb)
    }

    /// The address: what a journey is found by.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    pub(crate) fn device(self) -> NetDevice {
        // SAFETY: `dev` is a `struct net_device *`.
        NetDevice::new(unsafe { field(self.0, &SK_BUFF_DEV) })
    }

    /// The connection that conntrack found for this packet.
    #[inline(always)]
    pub(crate) fn conntrack(self) -> Option<NfConn> {
        // SAFETY: `_nfct` is an unsigned long.
        let nfct: u64 = unsafe { field(self.0, &SK_BUFF_NFCT) };
        let address = nfct & NFCT_PTRMASK;
        (address != 0).then(|| NfConn::at(address))
    }
}
