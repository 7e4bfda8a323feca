//! A socket filter on each uplink: packets that arrive from other nodes.
//!
//! Sees: every packet that the stack takes from an uplink, before any protocol does and at the
//! address that it keeps (kernel: packet_rcv, called by __netif_receive_skb_core for ETH_P_ALL);
//! inside VXLAN, the inner packet. The filter keeps nothing, so that no packet is copied. Misses:
//! packets that XDP redirects. Oldest kernel: 4.20 (PACKET_IGNORE_OUTGOING). Fallback:
//! `uplink_receive_fallback` without HTTP/2; where a socket has no room for a filter of this size,
//! `uplink_entry` calls either of them. Without this hook a message from another node has no
//! journey here.
//!
//! Why not tp_btf netif_receive_skb: the payload of TCP is in page fragments, which a tracing
//! program cannot read before 6.11. A socket filter reads the packet as cgroup programs do.

use aya_ebpf::{
    EbpfContext as _,
    helpers::bpf_ktime_get_ns,
    macros::{map, socket_filter},
    maps::ProgramArray,
    programs::SkBuffContext,
};
use tracer_common::hook::Hook;

use crate::{
    first_seen::{FirstSeen, Sighting},
    http2,
    journey::{self, HookPoint},
    message::{self, Followed},
    packet::{self, FIN, RST, SYN},
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

/// One of the programs above, for [`uplink_entry`]. The agent writes it before it attaches.
#[map]
static UPLINK_PROGRAM: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// A filter that a socket of an old kernel has room for (net.core.optmem_max): it only calls the
/// one that does the work.
#[socket_filter]
fn uplink_entry(ctx: SkBuffContext) -> i64 {
    // SAFETY: the agent stores nothing but the programs above. Without one the call returns.
    unsafe { UPLINK_PROGRAM.tail_call(&ctx, 0) };
    KEEP_NOTHING
}

#[inline(always)]
fn arrive<const HTTP2: bool>(ctx: &SkBuffContext) -> Option<()> {
    // SAFETY: the context of a socket filter is a `__sk_buff`.
    let packet_type = unsafe { (*ctx.skb.skb).pkt_type };
    if packet_type == PACKET_OTHERHOST && !uplink::is_bridged(ifindex(ctx)) {
        // Unknown-unicast flooding: the frame is not addressed to this node.
        return None;
    }
    let mut sighting = Sighting::EMPTY;
    let packet = &mut sighting.packet;
    if !packet::parse_into(ctx, 0, packet)
        && !packet::parse_into(ctx, vxlan::inner_offset(ctx)?, packet)
    {
        return None;
    }
    let is_last = packet.flags & (FIN | RST) != 0;
    if !packet.may_carry_message() && !is_last {
        return None;
    }
    let skb = ctx.as_ptr() as u64;
    if journey::find(skb).is_some_and(|journey| journey::is_of(journey, packet)) {
        // The sender is a followed socket of this machine: its node shares the kernel with this
        // one.
        return None;
    }
    sighting.sender_cookie = uplink::remote_cookie(&packet.tuple);
    let is_first = packet.flags & SYN != 0;
    if is_first {
        forget::<HTTP2>(sighting.sender_cookie);
    }
    let _ = open::<HTTP2>(ctx, &mut sighting);
    if is_last {
        forget::<HTTP2>(sighting.sender_cookie);
    }
    Some(())
}

/// Opens a journey if the packet carries a message that is followed.
#[inline(always)]
fn open<const HTTP2: bool>(ctx: &SkBuffContext, sighting: &mut Sighting) -> Option<()> {
    let known = socket::find(sighting.sender_cookie);
    if !message::may_be_in(&sighting.packet, known)
        || known.is_some_and(|remote| remote.is(NOT_HTTP | FORWARDED))
    {
        return None;
    }
    // SAFETY: the helper has no preconditions.
    sighting.start_ns = unsafe { bpf_ktime_get_ns() };
    let mut seen = FirstSeen { ctx, sighting };
    let Followed { message, flags } = message::followed::<HTTP2>(&mut seen, known);
    if message == message::NOTHING {
        return None;
    }
    let journey = journey::open(&seen, message)?;
    let point = HookPoint {
        hook: Hook::UplinkReceive,
        netns: uplink::node_netns(),
        ifindex: ifindex(ctx),
    };
    journey::stamp_at(journey, point, seen.start_ns);
    let flags = flags | message::send_head(&seen, message);
    field!(journey, flags).set_bits(flags);
    Some(())
}

#[inline(always)]
fn ifindex(ctx: &SkBuffContext) -> u32 {
    // SAFETY: the context of a socket filter is a `__sk_buff`.
    unsafe { (*ctx.skb.skb).ifindex }
}

/// Forgets everything about a sender: it opens another connection with the same ports, or it has
/// sent its last byte. No socket of another node closes here, and each would keep its slot.
#[inline(always)]
fn forget<const HTTP2: bool>(sender_cookie: u64) {
    partial_head::forget(sender_cookie);
    socket::forget(sender_cookie);
    if HTTP2 {
        http2::forget(sender_cookie);
    }
}
