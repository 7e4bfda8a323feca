//! `struct nf_conn`: the state of conntrack and NAT for a connection.

use core::{ffi::c_void, mem::offset_of};

use aya_ebpf::helpers::{
    bpf_probe_read_kernel as bpf_probe_read_kernel_value, generated::bpf_probe_read_kernel,
};
use tracer_common::conntrack::{ConntrackTuple, ConntrackTuples};

use super::offsets;
use crate::shared::Shared;

offsets!(NF_CONN_TUPLEHASH, TUPLEHASH_TUPLE);

const IPPROTO_TCP: u8 = 6;

/// A pointer found in `skb->_nfct`.
#[derive(Clone, Copy)]
pub(crate) struct NfConn(*const c_void);

impl NfConn {
    /// The address, valid for [`Self::at`] while the packet with the pointer lives.
    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    /// The connection at an address.
    pub(crate) const fn at(address: u64) -> Self {
        Self(address as *const c_void)
    }

    /// Whether the connection is TCP. A packet inside a tunnel has the connection of the outer
    /// packet.
    #[inline(always)]
    pub(crate) fn is_tcp(self) -> bool {
        let offset = NF_CONN_TUPLEHASH.load() as usize + TUPLEHASH_TUPLE.load() as usize;
        let protocol = offset + offset_of!(ConntrackTuple, protocol);
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel_value(self.0.byte_add(protocol).cast::<u8>()) }
            .is_ok_and(|protocol| protocol == IPPROTO_TCP)
    }

    /// Copies both tuples; false if they cannot be read.
    #[inline(always)]
    pub(crate) fn copy_tuples(self, to: &Shared<ConntrackTuples>) -> bool {
        let tuplehash = NF_CONN_TUPLEHASH.load() as usize;
        if tuplehash == 0 {
            // The kernel has no conntrack: 0 is the offset of another member.
            return false;
        }
        let offset = tuplehash + TUPLEHASH_TUPLE.load() as usize;
        // SAFETY: the helper checks the source address; any bytes are a valid `ConntrackTuples`,
        // also those of a copy that is made while the kernel writes the tuples.
        let failed = unsafe {
            bpf_probe_read_kernel(
                to.as_ptr().cast(),
                size_of::<ConntrackTuples>() as u32,
                self.0.byte_add(offset),
            )
        };
        failed == 0
    }
}
