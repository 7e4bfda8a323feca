//! Messages in the SYN of TCP Fast Open (RFC 7413).
//!
//! In: a SYN with a message that has come to a listener, and the SYN-ACK. Out: the socket that the
//! message is for. If the server accepts the SYN's data, the kernel creates the socket from the
//! SYN, and that socket sends the SYN-ACK before the application can accept it (kernel:
//! tcp_conn_request, tcp_fastopen_create_child; skb->sk of the SYN-ACK is the new socket, or else
//! the request socket of the listener: tcp_make_synack, same on 6.1 and 6.18). Its acknowledgment
//! number then covers the data. All of it happens on one CPU, so the SYN waits as packets do that
//! come to a listener ([`deferred_accept`]). If the kernel sends no SYN-ACK, the SYN's journey
//! expires, or ends with the drop of the packet.
//!
//! Why not the change of the new socket's state: there it has neither its port nor its cookie
//! (kernel: inet_csk_clone_lock).

use tracer_common::{
    journey::End,
    message::{IN_SYN, Message},
};

use crate::{
    deferred_accept, journey, packet::Packet, read_tracking, request, shared::field, socket,
};

/// Ends the journey of the SYN that a SYN-ACK answers, if that SYN waits: at the SYN-ACK's sender.
#[inline(always)]
pub(crate) fn answered(syn_ack: &Packet, sender_cookie: u64) {
    let skb = deferred_accept::take();
    if skb == 0 {
        return;
    }
    let Some(journey) = journey::find(skb) else {
        return;
    };
    let message = field!(journey, message).get();
    let client_port_be = field!(journey, received.source_port_be).get();
    let seq = field!(journey, seq).get().wrapping_add(1);
    let taken_bytes = syn_ack.ack.wrapping_sub(seq);
    let payload_bytes = field!(journey, payload_bytes).get();
    if message & IN_SYN == 0
        || client_port_be != syn_ack.tuple.destination_port_be
        || taken_bytes > payload_bytes
    {
        return;
    }
    field!(journey, receiver_cookie).set(sender_cookie);
    if taken_bytes == payload_bytes
        && let Some(socket) = socket::find_or_add(sender_cookie)
    {
        let response_seq = syn_ack.seq.wrapping_add(1);
        field!(journey, ack).set(response_seq);
        read_tracking::head_arrived(socket, seq);
        if message == Message::Request as u8 | IN_SYN {
            let flags = field!(journey, flags).get();
            request::arrived(socket, seq, response_seq, flags);
        }
    }
    journey::end(skb, journey, End::Socket);
}
