//! A socket filter on each uplink: packets that arrive from other nodes.
//!
//! Sees: every packet that the stack takes from an uplink, before any protocol does and at the
//! address that it keeps (kernel: packet_rcv, called by __netif_receive_skb_core for ETH_P_ALL);
//! inside VXLAN, the inner packet. The filter keeps nothing, so that no packet is copied. Misses:
//! packets that XDP redirects. Oldest kernel: 4.20 (PACKET_IGNORE_OUTGOING). Fallback:
//! `uplink_receive_fallback` without HTTP/2. Without this hook a message from another node has no
//! journey here.
//!
//! Why not tp_btf netif_receive_skb: the payload of TCP is in page fragments, which a tracing
//! program cannot read before 6.11. A socket filter reads the packet as cgroup programs do.

use aya_ebpf::{
    EbpfContext as _, helpers::bpf_ktime_get_ns, macros::socket_filter, programs::SkBuffContext,
};
use tracer_common::{hook::Hook, http1::start::Start};

use crate::{
    first_seen::FirstSeen,
    http2,
    journey::{self, HookPoint},
    message::{self, Followed},
    packet::{self, SYN},
    partial_head,
    shared::field,
    socket::{self, FORWARDED, NOT_HTTP},
    uplink, vxlan,
};

/// Nothing of the packet is for the socket.
const KEEP_NOTHING: i64 = 0;
/// kernel: include/uapi/linux/if_packet.h.
const PACKET_OTHERHOST: u32 = 3;

// Inlined as the programs in cgroup.rs.

#[socket_filter]
#[inline(always)]
fn uplink_receive(ctx: SkBuffContext) -> i64 {
    let _ = arrive::<true>(&ctx);
    KEEP_NOTHING
}

/// For kernels without `bpf_loop`: HTTP/2 is not followed.
#[socket_filter]
#[inline(always)]
fn uplink_receive_fallback(ctx: SkBuffContext) -> i64 {
    let _ = arrive::<false>(&ctx);
    KEEP_NOTHING
}

#[inline(always)]
fn arrive<const HTTP2: bool>(ctx: &SkBuffContext) -> Option<()> {
    // SAFETY: the context of a socket filter is a `__sk_buff`.
    let (ifindex, packet_type) = unsafe { ((*ctx.skb.skb).ifindex, (*ctx.skb.skb).pkt_type) };
    if packet_type == PACKET_OTHERHOST && !uplink::is_bridged(ifindex) {
        // Unknown-unicast flooding: the frame is not addressed to this node.
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
        // The sender is a followed socket of this machine: its node shares the kernel with this
        // one.
        return None;
    }
    let sender_cookie = uplink::remote_cookie(&packet.tuple);
    if packet.flags & SYN != 0 {
        forget::<HTTP2>(sender_cookie);
    }
    let known = socket::find(sender_cookie);
    if known.is_some_and(|remote| remote.is(NOT_HTTP | FORWARDED)) {
        return None;
    }
    let mut seen = FirstSeen {
        ctx,
        packet: &packet,
        // SAFETY: the helper has no preconditions.
        start_ns: unsafe { bpf_ktime_get_ns() },
        sender_cookie,
        head_offset: 0,
        start: Start::EMPTY,
    };
    let Followed { message, flags } = message::followed::<HTTP2>(&mut seen, known)?;
    let journey = journey::open(&seen, message)?;
    let point = HookPoint {
        hook: Hook::UplinkReceive,
        netns: uplink::node_netns(),
        ifindex,
    };
    journey::stamp_at(journey, point, seen.start_ns);
    let flags = flags | message::send_head(&seen, message);
    field!(journey, flags).set_bits(flags);
    Some(())
}

/// Forgets everything about the sender of a SYN: it opens another connection with the same ports.
#[inline(always)]
fn forget<const HTTP2: bool>(sender_cookie: u64) {
    partial_head::forget(sender_cookie);
    socket::forget(sender_cookie);
    if HTTP2 {
        http2::forget(sender_cookie);
    }
}
