//! A socket filter on each uplink: packets that arrive from other nodes.
//!
//! Sees: every packet that the stack takes from an uplink, before anybody else does and under the
//! address that it keeps (kernel: packet_rcv, called by __netif_receive_skb_core for ETH_P_ALL); of
//! VXLAN the packet inside. The filter keeps nothing, so no packet is copied.
//! Misses: XDP that redirects. Oldest kernel: 4.20 (PACKET_IGNORE_OUTGOING). Without it a message
//! from another node has no journey here.
//!
//! Why not tp_btf netif_receive_skb: what TCP sends lies in page fragments, which a tracing program
//! cannot read before 6.11; a socket filter reads the packet as cgroup programs do.

use aya_ebpf::{
    EbpfContext as _, helpers::bpf_ktime_get_ns, macros::socket_filter, programs::SkBuffContext,
};
use tracer_common::hook::Hook;

use crate::{
    first_seen::FirstSeen,
    http2,
    journey::{self, HookPoint},
    message::{self, Carried},
    packet::{self, SYN},
    partial_head,
    shared::field,
    socket::{self, FORWARDED, OPAQUE},
    uplink, vxlan,
};

/// Nothing of the packet is for the socket.
const KEEP_NOTHING: i64 = 0;
/// kernel: include/uapi/linux/if_packet.h.
const PACKET_OTHERHOST: u32 = 3;

#[socket_filter]
fn uplink_receive(ctx: SkBuffContext) -> i64 {
    let _ = arrive::<true>(&ctx);
    KEEP_NOTHING
}

/// For kernels without `bpf_loop`: HTTP/2 is not followed.
#[socket_filter]
fn uplink_receive_fallback(ctx: SkBuffContext) -> i64 {
    let _ = arrive::<false>(&ctx);
    KEEP_NOTHING
}

#[inline(always)]
fn arrive<const HTTP2: bool>(ctx: &SkBuffContext) -> Option<()> {
    // SAFETY: the context of a socket filter is a `__sk_buff`.
    let (ifindex, packet_type) = unsafe { ((*ctx.skb.skb).ifindex, (*ctx.skb.skb).pkt_type) };
    if packet_type == PACKET_OTHERHOST && !uplink::is_bridged(ifindex) {
        // A switch that does not know where somebody is tells everybody.
        return None;
    }
    let packet = match packet::parse(ctx) {
        Some(packet) => packet,
        None => packet::parse_at(ctx, vxlan::inner_offset(ctx)?)?,
    };
    if !packet.may_carry_message() {
        return None;
    }
    let skb = ctx.as_ptr() as u64;
    if journey::find(skb).is_some_and(|journey| journey::is_of(journey, &packet)) {
        // It was sent by a socket that the agent was told to follow, on a node that shares the kernel.
        return None;
    }
    let sender_cookie = uplink::stand_in(&packet.tuple);
    if packet.flags & SYN != 0 {
        begins::<HTTP2>(sender_cookie);
    }
    let known = socket::find(sender_cookie);
    if known.is_some_and(|remote| remote.is(OPAQUE | FORWARDED)) {
        return None;
    }
    let seen = FirstSeen {
        ctx,
        packet: &packet,
        // SAFETY: the helper has no preconditions.
        start_ns: unsafe { bpf_ktime_get_ns() },
        sender_cookie,
    };
    let Carried { message, flags } = message::message::<HTTP2>(&seen, known)?;
    let journey = journey::open(&seen, message)?;
    let point = HookPoint {
        hook: Hook::UplinkReceive,
        netns: uplink::node_netns(),
        ifindex,
    };
    journey::stamp_at(journey, point, seen.start_ns);
    let flags = flags | message::copy_head(&seen, message);
    field!(journey, flags).set_bits(flags);
    Some(())
}

/// With a SYN all that is known of its sender is forgotten: it is another connection, that has come to
/// have the same ports.
#[inline(always)]
fn begins<const HTTP2: bool>(sender_cookie: u64) {
    partial_head::forget(sender_cookie);
    socket::forget(sender_cookie);
    if HTTP2 {
        http2::forget(sender_cookie);
    }
}
