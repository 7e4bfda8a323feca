//! `struct sock` and `struct tcp_sock`.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated::bpf_get_socket_cookie};

use super::{field, offsets};

offsets!(SOCK_COOKIE, SOCK_DPORT, SOCK_ERR, TCP_SOCK_COPIED_SEQ);

/// A pointer that the kernel passed as `struct sock *`.
#[derive(Clone, Copy)]
pub(crate) struct Sock(*const c_void);

impl Sock {
    pub(crate) const fn new(sock: *const c_void) -> Self {
        Self(sock)
    }

    /// The socket cookie; 0 for a socket that nobody has asked for it.
    #[inline(always)]
    pub(crate) fn cookie(self) -> u64 {
        // SAFETY: `skc_cookie` is an atomic64_t.
        unsafe { field(self.0, &SOCK_COOKIE) }
    }

    /// The cookie, which the socket gets now if it has none (kernel: sock_gen_cookie).
    #[inline(always)]
    pub(crate) fn make_cookie(self) -> u64 {
        // SAFETY: the pointer is what the kernel passed. The helper takes it in programs of this kind
        // from 5.12.
        unsafe { bpf_get_socket_cookie(self.0.cast_mut()) }
    }

    /// The port of the other end, network byte order.
    #[inline(always)]
    pub(crate) fn peer_port_be(self) -> u16 {
        // SAFETY: `skc_dport` is a __be16.
        unsafe { field(self.0, &SOCK_DPORT) }
    }

    /// The errno that the application will be told; 0 where there is none.
    #[inline(always)]
    pub(crate) fn error(self) -> u32 {
        // SAFETY: `sk_err` is an int.
        unsafe { field(self.0, &SOCK_ERR) }
    }

    /// The next byte that the application will read. Only for a socket known to be TCP.
    #[inline(always)]
    pub(crate) fn copied_seq(self) -> Option<u32> {
        // SAFETY: the helper checks the address. `struct tcp_sock` begins with its `struct sock`.
        unsafe {
            bpf_probe_read_kernel(
                self.0
                    .byte_add(TCP_SOCK_COPIED_SEQ.load() as usize)
                    .cast::<u32>(),
            )
        }
        .ok()
    }
}
