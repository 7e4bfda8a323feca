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
    SOCK_SHUTDOWN,
    SOCK_ERR,
    SOCK_ERR_SOFT,
    SOCK_ERROR_QUEUE,
    SK_BUFF_CB,
    SOCK_EXTERR_SKB_EE,
    INET_SOCK_SPORT,
    TCP_SOCK_COPIED_SEQ,
    TCP_SOCK_RCV_NXT,
    TCP_SOCK_SND_NXT,
);

/// kernel: include/linux/socket.h.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// kernel: include/uapi/linux/in.h.
const IPPROTO_TCP: u16 = 6;

/// kernel: include/uapi/linux/errqueue.h.
const SO_EE_ORIGIN_LOCAL: u8 = 1;
const SO_EE_ORIGIN_ICMP6: u8 = 3;

/// kernel: SHUTDOWN_MASK, include/net/sock.h.
const BOTH_DIRECTIONS: u8 = 3;

/// The beginning of kernel: struct sock_extended_err.
#[repr(C)]
#[derive(Clone, Copy)]
struct ExtendedError {
    errno: u32,
    origin: u8,
    kind: u8,
    code: u8,
    padding: u8,
}

/// A pointer that the kernel passed as `struct sock *`.
#[derive(Clone, Copy)]
pub(crate) struct Sock(*const c_void);

impl Sock {
    pub(crate) const fn new(sock: *const c_void) -> Self {
        Self(sock)
    }

    /// The socket cookie; 0 if none was made yet.
    #[inline(always)]
    pub(crate) fn cookie(self) -> u64 {
        // SAFETY: `skc_cookie` is an atomic64_t.
        unsafe { field(self.0, &SOCK_COOKIE) }
    }

    /// The cookie, which is made now if there is none (kernel: sock_gen_cookie).
    #[inline(always)]
    pub(crate) fn make_cookie(self) -> u64 {
        // SAFETY: the pointer is what the kernel passed. The helper takes it in programs of this
        // kind from 5.12.
        unsafe { bpf_get_socket_cookie(self.0.cast_mut()) }
    }

    /// The port of the other end, network byte order.
    #[inline(always)]
    pub(crate) fn peer_port_be(self) -> u16 {
        // SAFETY: `skc_dport` is a __be16.
        unsafe { field(self.0, &SOCK_DPORT) }
    }

    /// Whether the socket neither sends nor reads any more. close(2) and shutdown(2) mark this
    /// before they change the state (kernel: __tcp_close, inet_shutdown; same on 5.15 and 6.18).
    #[inline(always)]
    pub(crate) fn is_shut_down(self) -> bool {
        // SAFETY: `sk_shutdown` is a u8.
        let shut_down: u8 = unsafe { field(self.0, &SOCK_SHUTDOWN) };
        shut_down == BOTH_DIRECTIONS
    }

    /// The errno that the application will get; 0 if there is none.
    #[inline(always)]
    pub(crate) fn error(self) -> u32 {
        // SAFETY: `sk_err` is an int.
        unsafe { field(self.0, &SOCK_ERR) }
    }

    /// The errno of a connect that has failed; 0 if there is none. Only for a socket known to be
    /// TCP.
    ///
    /// An ICMP error that arrives while connect(2) holds the socket, like that of a REJECT rule on
    /// the same machine, does not end the connect. The kernel keeps it as a soft error and in the
    /// error queue (kernel: tcp_v4_err, tcp_v6_err; the queue from 5.9). A non-blocking client
    /// reads SO_ERROR, which clears the soft error, and closes: then only the queue has it.
    #[inline(always)]
    pub(crate) fn connect_error(self) -> u32 {
        let error = self.error();
        if error != 0 {
            return error;
        }
        let soft: u32 = self.probe(&SOCK_ERR_SOFT).unwrap_or(0);
        if soft != 0 {
            return soft;
        }
        self.queued_error()
    }

    /// The errno of the oldest ICMP or local error in the error queue; 0 if there is none.
    #[inline(always)]
    fn queued_error(self) -> u32 {
        // kernel: struct sk_buff_head begins with the address of the first sk_buff, or its own if
        // empty.
        let queue = self.0 as u64 + u64::from(SOCK_ERROR_QUEUE.load());
        let first: u64 = self.probe(&SOCK_ERROR_QUEUE).unwrap_or(0);
        if first == 0 || first == queue {
            return 0;
        }
        let offset = u64::from(SK_BUFF_CB.load()) + u64::from(SOCK_EXTERR_SKB_EE.load());
        let at = (first + offset) as *const ExtendedError;
        // SAFETY: the helper checks the address.
        match unsafe { bpf_probe_read_kernel(at) } {
            Ok(error) if (SO_EE_ORIGIN_LOCAL..=SO_EE_ORIGIN_ICMP6).contains(&error.origin) => {
                error.errno
            }
            _ => 0,
        }
    }

    /// Whether this is a `struct tcp_sock`. Sockets of other protocols (MPTCP, SCTP) have the same
    /// states with other meanings.
    #[inline(always)]
    pub(crate) fn is_tcp(self) -> bool {
        // SAFETY: `sk_protocol` is a u16 (kernel: from 5.6).
        let protocol: u16 = unsafe { field(self.0, &SOCK_PROTOCOL) };
        protocol == IPPROTO_TCP
    }

    /// Copies the tuple of the packets that the socket sends. Parts that cannot be read keep their
    /// value. Only for a socket known to be TCP.
    ///
    /// `inet_sport` and not `skc_num`: a socket that closes has released the latter (kernel:
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

    /// The next byte that the peer will send. Its FIN counts as one byte, also in the change of
    /// state that it causes (kernel: tcp_data_queue, which calls tcp_fin behind
    /// tcp_rcv_nxt_update; same on 5.15 and 6.18). Only for a socket known to be TCP.
    #[inline(always)]
    pub(crate) fn received_seq(self) -> Option<u32> {
        self.probe(&TCP_SOCK_RCV_NXT)
    }

    /// The next byte that TCP will send for the first time. The socket's FIN counts as one byte.
    /// Only for a socket known to be TCP.
    #[inline(always)]
    pub(crate) fn sent_seq(self) -> Option<u32> {
        self.probe(&TCP_SOCK_SND_NXT)
    }

    /// A field for which the verifier has no type: of a structure that begins with `struct sock`,
    /// or of a union.
    #[inline(always)]
    fn probe<T>(self, offset: &Global<u32>) -> Option<T> {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(self.0.byte_add(offset.load() as usize).cast::<T>()) }.ok()
    }
}
