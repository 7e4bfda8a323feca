//! tp_btf inet_sock_set_state: how connections end, which of them fail, and which socket the first
//! request has created.
//!
//! Sees: every change of a socket's TCP state, in every network namespace (kernel:
//! inet_sock_set_state, void (const struct sock *, int old, int new), 4.16 and later). Sockets
//! without a cookie are ignored: the cgroup hooks make the cookie of every socket that sends a
//! message, and connect(2) that of every socket in the followed cgroup. Sockets outside it that
//! have a cookie for another reason are reported in vain. Misses: which of the two, close(2) or
//! shutdown(2), has shut down a socket; the close of a half-closed socket whose FIN is
//! acknowledged, which is reported as TCP_CLOSE alone. Oldest kernel: 5.12, with the helper that
//! makes a cookie. Fallback: `socket_close_fallback`, which reports no failed connects, and not
//! which socket receives a request that has created it. Without either, an exchange without a
//! response ends by a timeout.

use core::ffi::c_void;

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::{
    RecordKind,
    close::{Close, CloseKind},
    counter::Counter,
    hook::Hook,
    tuple::Tuple,
};

use crate::{
    counter::hit,
    deferred_accept, failed_connect,
    kernel::sock::Sock,
    ring,
    socket::{self, ACCEPTED},
};

/// kernel: include/net/tcp_states.h.
const TCP_ESTABLISHED: u32 = 1;
const TCP_SYN_SENT: u32 = 2;
const TCP_SYN_RECV: u32 = 3;
const TCP_FIN_WAIT1: u32 = 4;
const TCP_CLOSE: u32 = 7;
const TCP_CLOSE_WAIT: u32 = 8;
const TCP_LAST_ACK: u32 = 9;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn socket_close(ctx: BtfTracePointContext) -> i32 {
    let sock = Sock::new(ctx.arg::<*const c_void>(0));
    match (ctx.arg::<u32>(1), ctx.arg::<u32>(2)) {
        (_, TCP_SYN_SENT) => failed_connect::started(sock),
        (TCP_SYN_SENT, TCP_CLOSE) if failed_connect::report(sock) => socket::close(sock.cookie()),
        (TCP_SYN_SENT, TCP_ESTABLISHED) => failed_connect::established(sock),
        (TCP_SYN_RECV, TCP_ESTABLISHED) => accepted(sock),
        (_, state) => report(sock, state),
    }
    0
}

/// For kernels that make no cookie in programs of this kind.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn socket_close_fallback(ctx: BtfTracePointContext) -> i32 {
    let sock = Sock::new(ctx.arg::<*const c_void>(0));
    report(sock, ctx.arg::<u32>(2));
    0
}

#[inline(always)]
fn report(sock: Sock, state: u32) {
    let what = match state {
        TCP_CLOSE => CloseKind::Closed,
        TCP_CLOSE_WAIT => CloseKind::PeerFinished,
        TCP_FIN_WAIT1 | TCP_LAST_ACK if sock.is_shut_down() => CloseKind::Finished,
        _ => return,
    };
    let cookie = sock.cookie();
    if cookie == 0 {
        return;
    }
    if state == TCP_CLOSE {
        socket::close(cookie);
    }
    hit(Hook::SocketClose);
    let mut record = Close {
        kind: RecordKind::Close as u32,
        what: what as u32,
        // SAFETY: the helper has no preconditions.
        at_ns: unsafe { bpf_ktime_get_ns() },
        cookie,
        error: sock.error(),
        has_seqs: 0,
        received_seq: 0,
        sent_seq: 0,
        last_loss_ns: ring::last_loss_ns(),
    };
    if sock.is_tcp()
        && let (Some(received), Some(sent)) = (sock.received_seq(), sock.sent_seq())
    {
        record.has_seqs = 1;
        record.received_seq = received;
        record.sent_seq = sent;
    }
    let mut tuple = Tuple::ZERO;
    sock.copy_tuple(&mut tuple);
    ring::send_shared::<Close>(&record, &tuple, Counter::CloseLost);
}

/// A listener has created the socket: it is a server's.
#[inline(always)]
fn accepted(sock: Sock) {
    let cookie = sock.make_cookie();
    if let Some(server) = socket::find_or_add(cookie) {
        server.flags.set_bits(ACCEPTED);
    }
    let skb = deferred_accept::take();
    if skb != 0 {
        deferred_accept::finish(skb, sock.peer_port_be(), cookie);
    }
}
