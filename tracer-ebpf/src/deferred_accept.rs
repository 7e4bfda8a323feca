//! Messages that complete the handshake of their own connection.
//!
//! With TCP_DEFER_ACCEPT, and where the last ACK of a handshake was lost, the first packet with data is what
//! makes the server's socket. It passes cgroup ingress as the listener's (kernel: tcp_v4_rcv, where
//! tcp_filter comes before tcp_check_req), and the listener's cookie says nothing about who will read it.
//! The socket is made of this packet at once and on the same CPU (kernel: tcp_child_process), so one
//! place per CPU is enough for the packet to wait in. One that is dropped instead stays there, and is
//! taken for nobody's: its journey has ended, or the port is another.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::journey::End;

use crate::{
    journey, read_tracking,
    shared::{MapValue as _, Shared, field},
    socket,
};

/// The packet that waits: the address of its sk_buff, or 0.
///
/// Only this CPU accesses it. A packet waits and is taken within one softirq, and softirqs do not
/// interrupt each other. Where they are threads (PREEMPT_RT), or where a process takes what arrived while
/// it held the socket, another packet may come between: the journey of the one that is lost expires.
#[map]
static DEFERRED: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(1, 0);

/// A message has come to a listener. Whether it waits now: its journey is then ended by [`accepted`].
#[inline(always)]
pub(crate) fn wait(skb: u64) -> bool {
    let Some(waiting) = DEFERRED.value(0) else {
        return false;
    };
    waiting.set(skb);
    true
}

/// The address of the packet that waits, which waits no longer; 0 where there is none.
#[inline(always)]
pub(crate) fn take() -> u64 {
    DEFERRED.value(0).map_or(0, Shared::take)
}

/// A server's socket is established: by the packet at `skb`, if that came from its client's port.
#[inline(always)]
pub(crate) fn accepted(skb: u64, client_port_be: u16, cookie: u64) {
    let Some(journey) = journey::find(skb) else {
        return;
    };
    if field!(journey, received.source_port_be).get() != client_port_be {
        return;
    }
    field!(journey, receiver_cookie).set(cookie);
    if let Some(socket) = socket::find_or_add(cookie) {
        read_tracking::arrived(socket, field!(journey, seq).get());
    }
    journey::end(skb, journey, End::Socket);
}
