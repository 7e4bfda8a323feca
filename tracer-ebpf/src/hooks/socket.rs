//! When the application reads what waited in a receive queue.
//!
//! tp_btf sock_recv_length (kernel: sock_recvmsg, void (struct sock *, int ret, int flags), 6.3 and
//! later) sees every read, recv and recvmsg, when it returns. tp_btf tcp_rcv_space_adjust (kernel:
//! tcp_rcv_space_adjust, void (struct sock *), 4.15 and later) is the fallback: it runs inside the
//! copy, for splice as well. Only one of them is attached.
//! Misses: reads of the memory-mapped kind (TCP_ZEROCOPY_RECEIVE), and splice with the first.

use core::ffi::c_void;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{kernel::sock::Sock, read_tracking};

#[btf_tracepoint(function = "sock_recv_length")]
fn socket_read(ctx: BtfTracePointContext) -> i32 {
    if ctx.arg::<i32>(1) > 0 {
        report(&ctx);
    }
    0
}

#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
fn socket_read_fallback(ctx: BtfTracePointContext) -> i32 {
    report(&ctx);
    0
}

#[inline(always)]
fn report(ctx: &BtfTracePointContext) {
    let sock = Sock::new(ctx.arg::<*const c_void>(0));
    let cookie = sock.cookie();
    if cookie != 0 {
        read_tracking::read(cookie, || sock.copied_seq());
    }
}
