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
    pub(crate) const fn new(connection: *const c_void) -> Self {
        Self(connection)
    }

    /// Copies both tuples to where they stay; false when they cannot be read.
    #[inline(always)]
    pub(crate) fn copy_tuples(self, to: &mut ConntrackTuples) -> bool {
        let offset = NF_CONN_TUPLEHASH.load() as usize + TUPLEHASH_TUPLE.load() as usize;
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
