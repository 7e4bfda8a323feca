//! cgroup_skb egress and ingress: where sockets of pods send and receive.
//!
//! Sees: every IPv4 and IPv6 packet of the sockets below the cgroup it is attached to, egress after
//! NF_INET_POST_ROUTING of the sender's namespace (kernel: ip_finish_output), ingress when the
//! socket filter runs, before the receive queue (kernel: sk_filter_trim_cap).
//! Misses: packets of sockets outside that cgroup, and what the sender's own namespace did before
//! egress. Oldest kernel: 5.17 for HTTP/2 (bpf_loop), 4.10 without; attached by bpf_link from 5.7.
//! Fallback: `cgroup_egress_fallback` without HTTP/2. Without these hooks no journey opens.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_ktime_get_ns,
        generated::{bpf_get_socket_cookie, bpf_skb_cgroup_id},
    },
    macros::cgroup_skb,
    programs::SkBuffContext,
};
use aya_log_ebpf::debug;
use tracer_common::{
    counter::Counter,
    hook::Hook,
    journey::End,
    message::{IN_SYN, Message},
};

use crate::{
    counter::count,
    deferred_accept, fast_open,
    first_seen::{FirstSeen, Sighting},
    journey::{self, HookPoint},
    message::{self, Followed},
    output_stamps, packet, read_tracking, request,
    shared::field,
    socket::{self, NOT_HTTP},
    window,
};

const PASS: i32 = 1;

// The programs are inlined into what their macro adds. The compiler would make a function of no
// result of one that is not, because the result is constant; its register can then hold an address
// on the stack, which the verifier refuses ("cannot return stack pointer to the caller").

#[cgroup_skb(egress)]
#[inline(always)]
fn cgroup_egress(ctx: SkBuffContext) -> i32 {
    let _ = send::<true>(&ctx);
    PASS
}

/// For kernels without `bpf_loop`: HTTP/2 is not followed.
#[cgroup_skb(egress)]
#[inline(always)]
fn cgroup_egress_fallback(ctx: SkBuffContext) -> i32 {
    let _ = send::<false>(&ctx);
    PASS
}

#[cgroup_skb(ingress)]
#[inline(always)]
fn cgroup_ingress(ctx: SkBuffContext) -> i32 {
    let _ = receive(&ctx);
    PASS
}

#[inline(always)]
fn send<const HTTP2: bool>(ctx: &SkBuffContext) -> Option<()> {
    let skb = ctx.as_ptr() as u64;
    let output_ns = output_stamps::take(skb);
    let sender_cookie = cookie(ctx);
    let socket = socket::find(sender_cookie);
    if socket.is_some_and(|socket| socket.is(NOT_HTTP)) {
        return None;
    }
    let mut sighting = Sighting::EMPTY;
    let packet = &mut sighting.packet;
    if !packet::parse_into(ctx, 0, packet) {
        return None;
    }
    window::track(packet, sender_cookie, socket);
    if packet.is_syn_ack() {
        fast_open::answered(packet, sender_cookie);
    }
    if !message::may_be_in(packet, socket) {
        return None;
    }
    sighting.sender_cookie = sender_cookie;
    sighting.start_ns = if output_ns == 0 {
        // SAFETY: the helper has no preconditions.
        unsafe { bpf_ktime_get_ns() }
    } else {
        output_ns
    };
    let mut seen = FirstSeen {
        ctx,
        sighting: &mut sighting,
    };
    let Followed { message, flags } = message::followed::<HTTP2>(&mut seen, socket);
    if message == message::NOTHING {
        return None;
    }
    let journey = journey::open(&seen, message)?;
    if output_ns != 0 {
        output_stamps::adopt(journey);
    }
    field!(journey, sender_cgroup).set(cgroup_id(ctx));
    journey::stamp(journey, hook_point(ctx, Hook::CgroupEgress));
    let flags = flags | message::send_head(&seen, message);
    field!(journey, flags).set_bits(flags);
    log_open(ctx, message, seen.packet.seq);
    Some(())
}

#[inline(always)]
fn receive(ctx: &SkBuffContext) -> Option<()> {
    let skb = ctx.as_ptr() as u64;
    let journey = journey::find(skb)?;
    let packet = packet::parse(ctx)?;
    if !journey::is_of(journey, &packet) {
        count(Counter::Mismatched);
        journey::forget(skb);
        return None;
    }
    journey::stamp(journey, hook_point(ctx, Hook::CgroupIngress));
    field!(journey, received).copy_from(&packet.tuple);
    field!(journey, receiver_cgroup).set(cgroup_id(ctx));
    let message = field!(journey, message).get();
    if message >= Message::Request as u8 && is_listener(ctx) && deferred_accept::park(skb) {
        return Some(());
    }
    let is_message = message >= Message::Request as u8 && message & IN_SYN == 0;
    let receiver_cookie = cookie(ctx);
    field!(journey, receiver_cookie).set(receiver_cookie);
    let flags = field!(journey, flags).get();
    log_close(ctx, field!(journey, stamp_count).get(), packet.seq);
    let is_sent = journey::end(skb, journey, End::Socket);
    if is_message && let Some(socket) = socket::find_or_add(receiver_cookie) {
        let seq = if message == Message::ResponseEnd as u8 {
            packet.last_seq()
        } else {
            packet.seq
        };
        if is_sent {
            read_tracking::head_arrived(socket, seq);
        }
        if message == Message::Request as u8 {
            request::arrived(socket, packet.seq, packet.ack, flags);
        }
    }
    Some(())
}

#[inline(always)]
fn hook_point(ctx: &SkBuffContext, hook: Hook) -> HookPoint {
    HookPoint {
        hook,
        netns: 0,
        // SAFETY: the context of a cgroup_skb program is a `__sk_buff`.
        ifindex: unsafe { (*ctx.skb.skb).ifindex },
    }
}

/// Whether the packet has come to a listening socket, which creates another socket from it.
#[inline(always)]
fn is_listener(ctx: &SkBuffContext) -> bool {
    /// kernel: include/uapi/linux/bpf.h.
    const BPF_TCP_LISTEN: u32 = 10;
    // SAFETY: the context of a cgroup_skb program is a `__sk_buff`, and its `sk` a `bpf_sock`.
    let sock = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
    // SAFETY: checked for null; the verifier lets the program read this field.
    !sock.is_null() && unsafe { (*sock).state } == BPF_TCP_LISTEN
}

#[inline(always)]
fn cookie(ctx: &SkBuffContext) -> u64 {
    // SAFETY: the helper takes the context of a cgroup_skb program.
    unsafe { bpf_get_socket_cookie(ctx.as_ptr()) }
}

/// The cgroup of the socket. It identifies the pod, even if several pods share an address, or use
/// it one after the other.
///
/// kernel: bpf_skb_cgroup_id reads `sk_cgrp_data` of the full socket; for cgroup_skb from 4.18.
#[inline(always)]
fn cgroup_id(ctx: &SkBuffContext) -> u64 {
    // SAFETY: the helper takes the context of a cgroup_skb program.
    unsafe { bpf_skb_cgroup_id(ctx.skb.skb) }
}

// Never inlined: a log record is built on the stack. Without IP addresses: the verifier allows no
// pointer to their bytes.

#[inline(never)]
fn log_open(ctx: &SkBuffContext, message: u8, seq: u32) {
    debug!(ctx, "open: message {} seq {}", message, seq);
}

#[inline(never)]
fn log_close(ctx: &SkBuffContext, stamps: u8, seq: u32) {
    debug!(ctx, "close: stamps {} seq {}", stamps, seq);
}
