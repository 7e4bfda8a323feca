//! Netfilter links, one before and one after all other functions of each hook.
//!
//! Sees: IPv4 and IPv6 packets of the network namespace in which the agent runs, with the
//! connection that conntrack has found; also bridged packets, if bridge-nf-call-iptables is on.
//! Misses: other namespaces, and the ingress and egress hooks of nftables' netdev family. Oldest
//! kernel: 6.4 (BPF_PROG_TYPE_NETFILTER). No fallback: a path then has no netfilter hops, and only
//! the translation that its two ends show.
//!
//! aya has no such program type. The functions are in `classifier` sections, so that aya ignores
//! them, and the agent's `attach::netfilter` loads them. **0 drops the packet**: every function
//! returns ACCEPT and has no other path.

use core::ffi::c_void;

use tracer_common::{
    hook::Hook,
    journey::{HAS_CONNTRACK, Journey},
    message::{IN_SYN, Message},
};

use crate::{
    journey::{self, HookPoint},
    kernel::skb::Skb,
    output_stamps,
    shared::{Shared, field},
};

/// A packet inside a tunnel has the connection of the outer packet, which is of another protocol.
const IPPROTO_TCP: u8 = 6;
/// kernel: NF_ACCEPT.
const ACCEPT: i32 = 1;

/// kernel: struct bpf_nf_ctx { const struct nf_hook_state *state; struct sk_buff *skb; }
#[repr(C)]
struct NetfilterContext {
    state: *const c_void,
    skb: *const c_void,
}

macro_rules! netfilter {
    ($($name:ident: $hook:ident $side:ident,)*) => {
        $(
            #[unsafe(no_mangle)]
            #[unsafe(link_section = concat!("classifier/", stringify!($name)))]
            fn $name(ctx: *const NetfilterContext) -> i32 {
                // SAFETY: the kernel passes a `bpf_nf_ctx`.
                $side(Skb::new(unsafe { (*ctx).skb }), Hook::$hook);
                ACCEPT
            }
        )*
    };
}

netfilter! {
    prerouting_enter: PreroutingEnter enter,
    prerouting_leave: PreroutingLeave leave,
    input_enter: InputEnter enter,
    input_leave: InputLeave leave,
    forward_enter: ForwardEnter enter,
    forward_leave: ForwardLeave leave,
    output_enter: OutputEnter enter,
    output_leave: OutputLeave leave,
    postrouting_enter: PostroutingEnter enter,
    postrouting_leave: PostroutingLeave leave,
}

#[inline(always)]
fn enter(skb: Skb, hook: Hook) {
    match journey::find(skb.address()) {
        Some(journey) => stamp(journey, hook),
        None => output_stamps::park(skb, hook),
    }
}

#[inline(always)]
fn leave(skb: Skb, hook: Hook) {
    let Some(journey) = journey::find(skb.address()) else {
        output_stamps::park(skb, hook);
        return;
    };
    stamp(journey, hook);
    if needs_conntrack(journey)
        && let Some(connection) = skb.conntrack()
        && connection.copy_tuples(field!(journey, conntrack))
        && field!(journey, conntrack.original.protocol).get() == IPPROTO_TCP
    {
        field!(journey, flags).set_bits(HAS_CONNTRACK);
    }
}

/// NAT rewrites the tuples of a new connection at two hooks. Afterwards they do not change.
#[inline(always)]
fn needs_conntrack(journey: &Shared<Journey>) -> bool {
    let message = field!(journey, message).get();
    field!(journey, flags).get() & HAS_CONNTRACK == 0
        || message == Message::Syn as u8
        || message & IN_SYN != 0
}

#[inline(always)]
fn stamp(journey: &Shared<Journey>, hook: Hook) {
    journey::stamp(journey, HookPoint::without_device(hook));
}
