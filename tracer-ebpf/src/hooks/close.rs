//! tp_btf inet_sock_set_state: how connections end, and which socket a first packet made.
//!
//! Sees: every change of a socket's TCP state, in every network namespace (kernel: inet_sock_set_state,
//! void (const struct sock *, int old, int new), 4.16 and later). Sockets without a cookie are none of ours:
//! the cgroup hooks ask every socket that sends a message for its own.
//! Misses: sockets outside the followed cgroup that somebody else has asked for their cookie are sent
//! for nothing. No fallback: an exchange without an answer is then given up by the clock.

use core::ffi::c_void;

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::{
    RecordKind,
    close::{Close, CloseKind},
    counter::Counter,
    hook::Hook,
};

use crate::{count::hit, deferred, emit, kernel::sock::Sock};

/// kernel: include/net/tcp_states.h.
const TCP_ESTABLISHED: u32 = 1;
const TCP_SYN_RECV: u32 = 3;
const TCP_CLOSE: u32 = 7;
const TCP_CLOSE_WAIT: u32 = 8;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn socket_close(ctx: BtfTracePointContext) -> i32 {
    let sock = Sock::new(ctx.arg::<*const c_void>(0));
    let what = match ctx.arg::<u32>(2) {
        TCP_CLOSE => CloseKind::Closed,
        TCP_CLOSE_WAIT => CloseKind::PeerFinished,
        TCP_ESTABLISHED if ctx.arg::<u32>(1) == TCP_SYN_RECV => {
            accept(sock);
            return 0;
        }
        _ => return 0,
    };
    let cookie = sock.cookie();
    if cookie == 0 {
        return 0;
    }
    hit(Hook::SocketClose);
    let record = Close {
        kind: RecordKind::Close as u32,
        what: what as u32,
        // SAFETY: the helper has no preconditions.
        at_ns: unsafe { bpf_ktime_get_ns() },
        cookie,
        error: sock.error(),
        padding: 0,
    };
    emit::send::<Close>(&record, Counter::CloseLost);
    0
}

#[inline(always)]
fn accept(sock: Sock) {
    let skb = deferred::take();
    if skb != 0 {
        deferred::accepted(skb, sock.peer_port_be(), sock.make_cookie());
    }
}
