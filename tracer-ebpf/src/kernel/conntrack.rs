//! `struct nf_conn`: what conntrack and NAT know of a connection.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tracer_common::conntrack::ConntrackTuples;

use super::offsets;

offsets!(NF_CONN_TUPLEHASH, TUPLEHASH_TUPLE);

/// A pointer found in `skb->_nfct`.
#[derive(Clone, Copy)]
pub(crate) struct NfConn(*const c_void);

impl NfConn {
    /// The address, to be kept for [`Self::at`] while the packet that holds it lives.
    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    /// The connection at an address.
    pub(crate) const fn at(address: u64) -> Self {
        Self(address as *const c_void)
    }

    /// Copies both tuples to where they stay; false when they cannot be read.
    #[inline(always)]
    pub(crate) fn copy_tuples(self, to: &mut ConntrackTuples) -> bool {
        let tuplehash = NF_CONN_TUPLEHASH.load() as usize;
        if tuplehash == 0 {
            // The agent found no conntrack in this kernel. The first member is another.
            return false;
        }
        let offset = tuplehash + TUPLEHASH_TUPLE.load() as usize;
        // SAFETY: the helper checks the source address; any bytes are a valid `ConntrackTuples`.
        let failed = unsafe {
            bpf_probe_read_kernel(
                (&raw mut *to).cast(),
                size_of::<ConntrackTuples>() as u32,
                self.0.byte_add(offset),
            )
        };
        failed == 0
    }
}
