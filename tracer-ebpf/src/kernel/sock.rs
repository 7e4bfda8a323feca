//! `struct sock` and `struct tcp_sock`.

use core::ffi::c_void;

use aya_ebpf::{
    Global,
    helpers::{bpf_probe_read_kernel, generated::bpf_get_socket_cookie},
};

use tracer_common::tuple::{Tuple, mapped};

use super::{field, offsets};

offsets!(
    SOCK_COOKIE,
    SOCK_DPORT,
    SOCK_FAMILY,
    SOCK_RCV_SADDR,
    SOCK_DADDR,
    SOCK_V6_RCV_SADDR,
    SOCK_V6_DADDR,
    SOCK_PROTOCOL,
    SOCK_ERR,
    INET_SOCK_SPORT,
    TCP_SOCK_COPIED_SEQ,
);

/// kernel: include/linux/socket.h.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

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

    /// The transport's number in IP (kernel: u16 from 5.6).
    #[inline(always)]
    pub(crate) fn protocol(self) -> u16 {
        // SAFETY: `sk_protocol` is a u16.
        unsafe { field(self.0, &SOCK_PROTOCOL) }
    }

    /// Both ends, as this one writes them on its packets. What cannot be read stays as it is.
    /// Only for a socket known to be TCP.
    ///
    /// `inet_sport` and not `skc_num`: a socket that closes has given the latter back (kernel:
    /// tcp_set_state, inet_put_port).
    #[inline(always)]
    pub(crate) fn copy_tuple(self, tuple: &mut Tuple) {
        match self.probe::<u16>(&SOCK_FAMILY) {
            Some(AF_INET) => {
                tuple.source_be = mapped(self.probe(&SOCK_RCV_SADDR).unwrap_or(0));
                tuple.destination_be = mapped(self.probe(&SOCK_DADDR).unwrap_or(0));
            }
            Some(AF_INET6) => {
                tuple.source_be = self.probe(&SOCK_V6_RCV_SADDR).unwrap_or([0; 4]);
                tuple.destination_be = self.probe(&SOCK_V6_DADDR).unwrap_or([0; 4]);
            }
            _ => return,
        }
        tuple.source_port_be = self.probe(&INET_SOCK_SPORT).unwrap_or(0);
        tuple.destination_port_be = self.peer_port_be();
    }

    /// The next byte that the application will read. Only for a socket known to be TCP.
    #[inline(always)]
    pub(crate) fn copied_seq(self) -> Option<u32> {
        self.probe(&TCP_SOCK_COPIED_SEQ)
    }

    /// A field that the verifier does not know to be there: of one of the structures that begin with
    /// their `struct sock`, or of a union.
    #[inline(always)]
    fn probe<T>(self, offset: &Global<u32>) -> Option<T> {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(self.0.byte_add(offset.load() as usize).cast::<T>()) }.ok()
    }
}
