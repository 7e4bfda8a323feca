//! Journeys: opened at the sending socket or where the packet arrives from another node, stamped at
//! each hook, and sent to the agent once, at the end.
//!
//! The key of a journey is the address of the sk_buff, which a packet keeps across veth, bridge and
//! netfilter. The kernel uses an address again after a free. The last hook therefore compares the
//! sequence number, and discards the journey of another packet.
//!
//! Who else accesses a journey while a hook does:
//! - No other hook of its packet: one CPU at a time handles a packet, so that its hooks follow each
//!   other. Interrupts find other packets, and so other journeys.
//! - The agent, if the journey is older than 5 s: it takes the slot from its key and copies the
//!   journey. A hook that has found the journey just before may still write to it.
//! - The next journey of the slot, if such a hook writes after the agent has freed the slot. One
//!   stamp or field is then written into the record of another message.
//!
//! All of them access integers in cells ([`Shared`]). The worst result is a wrong stamp or field in
//! one record, caused by a packet that is on its way for 5 s.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, helpers::bpf_ktime_get_ns, macros::map, maps::Array};
use tracer_common::{
    RecordKind,
    counter::Counter,
    hook::Hook,
    journey::{End, HEADER_BYTES, Journey, MAX_JOURNEYS, MAX_STAMPS, STAMPS_CUT},
    message::{IN_SYN, Message},
    stamp::Stamp,
    tuple::Tuple,
};

use crate::{
    counter::{count, hit},
    first_seen::FirstSeen,
    keys::Keys,
    packet::Packet,
    ring,
    shared::{MapValue as _, Shared, field},
    socket::{self, FORWARDED},
};

/// The addresses of the packets whose journeys are in the slots of [`JOURNEYS`]. One value, which
/// the agent maps into its memory in order to remove journeys that never end.
#[map]
static JOURNEY_KEYS: Array<Keys<MAX_JOURNEYS>> = Array::with_max_entries(1, BPF_F_MMAPABLE);

#[map]
static JOURNEYS: Array<Shared<Journey>> = Array::with_max_entries(MAX_JOURNEYS as u32, 0);

/// A hook, and the device that it sees a packet on.
#[derive(Clone, Copy)]
pub(crate) struct HookPoint {
    pub(crate) hook: Hook,
    /// Inode number of the device's network namespace; 0 where the hook has no device.
    pub(crate) netns: u32,
    /// The device, within `netns`; 0 where the hook has none.
    pub(crate) ifindex: u32,
}

impl HookPoint {
    #[inline(always)]
    pub(crate) const fn without_device(hook: Hook) -> Self {
        Self {
            hook,
            netns: 0,
            ifindex: 0,
        }
    }
}

/// The journey of the packet at this address, if it has one.
#[inline(always)]
pub(crate) fn find(skb: u64) -> Option<&'static Shared<Journey>> {
    at(keys()?.find(skb))
}

#[inline(always)]
fn keys() -> Option<&'static Keys<MAX_JOURNEYS>> {
    JOURNEY_KEYS.value(0)
}

#[inline(always)]
fn at(slot: u32) -> Option<&'static Shared<Journey>> {
    JOURNEYS.value(slot)
}

/// Opens the journey of a packet with this message. `None` if its bucket is full, which is counted.
#[inline(always)]
pub(crate) fn open(seen: &FirstSeen<'_>, message: u8) -> Option<&'static Shared<Journey>> {
    let skb = seen.skb();
    let keys = keys()?;
    let mut slot = keys.find(skb);
    if slot < MAX_JOURNEYS as u32 && keys.reclaim(slot, skb) {
        count(Counter::Replaced);
    } else {
        slot = keys.claim(skb);
    }
    let Some(journey) = at(slot) else {
        ring::lose(Counter::OpenFailed);
        return None;
    };
    count(Counter::Opened);
    write_header(journey, seen, message);
    keys.publish(slot, skb);
    Some(journey)
}

/// Writes everything before the stamps, except `conntrack`, which is valid with a flag only.
#[inline(always)]
fn write_header(journey: &Shared<Journey>, seen: &FirstSeen<'_>, message: u8) {
    let packet = &seen.packet;
    let (message, seq) = if packet.is_syn() && message != Message::Syn as u8 {
        (message | IN_SYN, packet.seq.wrapping_sub(1))
    } else {
        (message, packet.seq)
    };
    field!(journey, kind).set(RecordKind::Journey as u32);
    field!(journey, message).set(message);
    field!(journey, end).set(End::Expired as u8);
    field!(journey, stamp_count).set(0);
    field!(journey, flags).set(0);
    field!(journey, start_ns).set(seen.start_ns);
    field!(journey, sender_cookie).set(seen.sender_cookie);
    field!(journey, receiver_cookie).set(0);
    field!(journey, sender_cgroup).set(0);
    field!(journey, receiver_cgroup).set(0);
    field!(journey, seq).set(seq);
    field!(journey, ack).set(packet.ack);
    field!(journey, payload_bytes).set(packet.payload_bytes);
    field!(journey, drop_reason).set(0);
    field!(journey, sent).copy_from(&packet.tuple);
    field!(journey, received).copy_from(&Tuple::ZERO);
}

/// Adds a stamp taken now.
#[inline(always)]
pub(crate) fn stamp(journey: &Shared<Journey>, point: HookPoint) {
    // SAFETY: the helper has no preconditions.
    stamp_at(journey, point, unsafe { bpf_ktime_get_ns() });
}

/// Adds a stamp taken at `at_ns`.
#[inline(always)]
pub(crate) fn stamp_at(journey: &Shared<Journey>, point: HookPoint, at_ns: u64) {
    hit(point.hook);
    let index = usize::from(field!(journey, stamp_count).get());
    if index >= MAX_STAMPS {
        field!(journey, flags).set_bits(STAMPS_CUT);
        return;
    }
    let elapsed_ns = at_ns.saturating_sub(field!(journey, start_ns).get());
    let stamp = field!(journey, stamps[index]);
    field!(stamp, offset_ns).set(if elapsed_ns > u64::from(u32::MAX) {
        u32::MAX
    } else {
        elapsed_ns as u32
    });
    field!(stamp, netns).set(point.netns);
    field!(stamp, ifindex).set(point.ifindex);
    let hook = field!(stamp, hook).as_ptr().cast::<u32>();
    // SAFETY: the hook and its padding are one aligned word of the stamp.
    unsafe { Shared::at(hook) }.set(u32::from_ne_bytes([point.hook as u8, 0, 0, 0]));
    field!(journey, stamp_count).set(index as u8 + 1);
}

/// Whether the journey is that of `packet`, and not of another at the same address.
#[inline(always)]
pub(crate) fn is_of(journey: &Shared<Journey>, packet: &Packet) -> bool {
    field!(journey, seq).get() == packet.seq
        && field!(journey, payload_bytes).get() == packet.payload_bytes
}

/// Ends a journey: sends and removes it. False if its record is lost.
#[inline(always)]
pub(crate) fn end(skb: u64, journey: &Shared<Journey>, end: End) -> bool {
    field!(journey, end).set(end as u8);
    count(match end {
        End::Dropped => Counter::Dropped,
        End::Left => Counter::Left,
        End::Socket | End::Expired => Counter::Closed,
    });
    let stamps = usize::from(field!(journey, stamp_count).get());
    let mut is_sent = false;
    if stamps <= MAX_STAMPS {
        let bytes = HEADER_BYTES + stamps * size_of::<Stamp>();
        let first = journey.as_ptr().cast::<Shared<u8>>();
        // SAFETY: `bytes` is at most the size of the record, which has no padding.
        let used = unsafe { core::slice::from_raw_parts(first, bytes) };
        is_sent =
            ring::send_and_wake::<[Shared<u8>]>(used, field!(journey, sent), Counter::JourneyLost);
    }
    forget(skb);
    is_sent
}

/// Ends the journey of a packet that leaves by an uplink. If the packet has also arrived by one, it
/// only passes this node: its journey is not sent, and its sender is ignored from now on.
#[inline(always)]
pub(crate) fn leave(skb: u64, journey: &Shared<Journey>) {
    if field!(journey, stamps[0].hook).get() != Hook::UplinkReceive as u8 {
        end(skb, journey, End::Left);
        return;
    }
    count(Counter::Forwarded);
    if let Some(remote) = socket::find_or_add(field!(journey, sender_cookie).get()) {
        remote.flags.set_bits(FORWARDED);
    }
    forget(skb);
}

/// Removes a journey without sending it.
#[inline(always)]
pub(crate) fn forget(skb: u64) {
    if let Some(keys) = keys() {
        let slot = keys.find(skb);
        if slot < MAX_JOURNEYS as u32 {
            keys.free(slot, skb);
        }
    }
}
