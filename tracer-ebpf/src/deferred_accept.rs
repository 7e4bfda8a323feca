//! Requests that create the socket which receives them.
//!
//! With TCP_DEFER_ACCEPT, or if the last ACK of a handshake was lost, the first packet with data
//! creates the server's socket. The packet passes cgroup ingress as one of the listener (kernel:
//! tcp_v4_rcv, where tcp_filter comes before tcp_check_req), whose cookie is not that of the socket
//! which will be read. The kernel creates the socket from this packet next, on the same CPU
//! (kernel: tcp_child_process): one parked packet per CPU is enough. A packet that the kernel drops
//! instead stays parked. It is not mistaken for another: its journey has ended, or comes from
//! another port.

use aya_ebpf::{macros::map, maps::PerCpuArray};
use tracer_common::{
    journey::End,
    message::{IN_SYN, Message},
};

use crate::{
    journey, read_tracking, request,
    shared::{MapValue as _, Shared, field},
    socket,
};

/// The parked packet: the address of its sk_buff, or 0.
///
/// Only this CPU accesses it. A packet is parked and taken within one softirq, and softirqs do not
/// interrupt each other. If they are threads (PREEMPT_RT), or if a process takes what arrived while
/// it held the socket, another packet may come between: the journey of the replaced one expires.
#[map]
static DEFERRED: PerCpuArray<Shared<u64>> = PerCpuArray::with_max_entries(1, 0);

/// Parks a packet that has come to a listener. [`finish`] will end its journey; that of a SYN with a
/// message ends with the SYN-ACK.
#[inline(always)]
pub(crate) fn park(skb: u64) -> bool {
    let Some(parked) = DEFERRED.value(0) else {
        return false;
    };
    parked.set(skb);
    true
}

/// Takes the parked packet. Returns its address, or 0 if there is none.
#[inline(always)]
pub(crate) fn take() -> u64 {
    DEFERRED.value(0).map_or(0, Shared::take)
}

/// Ends the journey of the packet at `skb` at the socket that was established from it, if the
/// packet came from the port of the socket's client.
#[inline(always)]
pub(crate) fn finish(skb: u64, client_port_be: u16, cookie: u64) {
    let Some(journey) = journey::find(skb) else {
        return;
    };
    let message = field!(journey, message).get();
    if message & IN_SYN != 0 || field!(journey, received.source_port_be).get() != client_port_be {
        return;
    }
    field!(journey, receiver_cookie).set(cookie);
    if let Some(socket) = socket::find_or_add(cookie) {
        let seq = field!(journey, seq).get();
        read_tracking::head_arrived(socket, seq);
        if message == Message::Request as u8 {
            let (ack, flags) = (field!(journey, ack).get(), field!(journey, flags).get());
            request::arrived(socket, seq, ack, flags);
        }
    }
    journey::end(skb, journey, End::Socket);
}
