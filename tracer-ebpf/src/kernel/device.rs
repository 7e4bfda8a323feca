//! `struct net_device`, the namespace it is in, and `struct rtnl_link_ops`.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_probe_read_kernel, bpf_probe_read_kernel_str_bytes};
use tracer_common::device::NAME_BYTES;

use super::{field, offsets};

offsets!(
    NET_DEVICE_IFINDEX,
    NET_DEVICE_NAME,
    NET_DEVICE_ND_NET,
    NET_DEVICE_PRIV_FLAGS,
    NET_DEVICE_RTNL_LINK_OPS,
    RTNL_LINK_OPS_KIND,
    NET_NS,
    NS_COMMON_INUM,
);

/// A pointer that the kernel passed as `struct net_device *`.
#[derive(Clone, Copy)]
pub(crate) struct NetDevice(*const c_void);

impl NetDevice {
    pub(crate) const fn new(device: *const c_void) -> Self {
        Self(device)
    }

    #[inline(always)]
    pub(crate) fn ifindex(self) -> u32 {
        // SAFETY: `ifindex` is an int, never negative.
        unsafe { field(self.0, &NET_DEVICE_IFINDEX) }
    }

    /// Inode number of the network namespace: `dev->nd_net.net->ns.inum`.
    #[inline(always)]
    pub(crate) fn netns(self) -> u32 {
        // SAFETY: `nd_net` is a possible_net_t, a structure of one `struct net *`.
        let net: *const c_void = unsafe { field(self.0, &NET_DEVICE_ND_NET) };
        let inum = NET_NS.load() as usize + NS_COMMON_INUM.load() as usize;
        // SAFETY: `ns.inum` is an unsigned int within `struct net`.
        unsafe { core::ptr::read_volatile(net.byte_add(inum).cast::<u32>()) }
    }

    #[inline(always)]
    pub(crate) fn priv_flags(self) -> u32 {
        // SAFETY: `priv_flags` is 32 bits, as a field of its own or the first of a bit field.
        unsafe { self.read(&NET_DEVICE_PRIV_FLAGS) }.unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn name(self) -> [u8; NAME_BYTES] {
        // SAFETY: `name` is a char[IFNAMSIZ].
        unsafe { self.read(&NET_DEVICE_NAME) }.unwrap_or([0; NAME_BYTES])
    }

    /// Kind of a virtual device ("veth", "bridge"); empty for hardware, and for kinds with longer
    /// names.
    #[inline(always)]
    pub(crate) fn link_kind(self) -> [u8; NAME_BYTES] {
        let mut kind = [0; NAME_BYTES];
        // SAFETY: `rtnl_link_ops` is a pointer.
        let ops = unsafe { self.read::<u64>(&NET_DEVICE_RTNL_LINK_OPS) }.unwrap_or(0);
        if ops == 0 {
            return kind;
        }
        // SAFETY: `kind` is a `const char *` in `struct rtnl_link_ops`; the helpers check both
        // addresses.
        unsafe {
            let text = (ops + u64::from(RTNL_LINK_OPS_KIND.load())) as *const *const u8;
            if let Ok(text) = bpf_probe_read_kernel(text) {
                let _ = bpf_probe_read_kernel_str_bytes(text, &mut kind);
            }
        }
        kind
    }

    /// A field, without a typed load. For fields that are read once per device.
    ///
    /// # Safety
    ///
    /// The field at `offset` is a `T`, for which any bytes are valid.
    #[inline(always)]
    unsafe fn read<T>(self, offset: &aya_ebpf::Global<u32>) -> Option<T> {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(self.0.byte_add(offset.load() as usize).cast::<T>()) }.ok()
    }
}
