//! tp_btf sock_recv_length: the application reads from a receive queue.
//!
//! Sees: every read, recv and recvmsg, when it returns (kernel: sock_recvmsg, void (struct sock *,
//! int ret, int flags)). Misses: splice, and memory-mapped reads (TCP_ZEROCOPY_RECEIVE). Oldest
//! kernel: 6.3. Fallback: tp_btf tcp_rcv_space_adjust (kernel: tcp_rcv_space_adjust, void (struct
//! sock *), 4.15 and later), which runs within the copy, for splice as well. Only one of the two is
//! attached.

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
        read_tracking::report(cookie, || sock.copied_seq());
    }
}
