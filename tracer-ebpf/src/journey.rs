//! Journeys: opened at the sending socket or where the packet arrives from another node, stamped on
//! the way, sent to user space once at the end.
//!
//! The key is the address of the sk_buff, which a packet keeps across veth, bridge and netfilter.
//! An address is used again after a free; the end of a journey therefore compares the sequence
//! number, and throws away the record of another packet.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::map, maps::HashMap};
use tracer_common::{
    RecordKind,
    counter::Counter,
    hook::Hook,
    journey::{End, HEADER_BYTES, Journey, MAX_STAMPS, STAMPS_CUT},
    message::Message,
    stamp::Stamp,
};

use crate::{
    count::{count, hit},
    emit, output,
    packet::Packet,
    uplink,
};

/// Packets of interest under way on this machine at one time. A full map opens no new journey, and
/// counts it; the agent removes what never ended.
const MAX_JOURNEYS: u32 = 8192;
const BPF_ANY: u64 = 0;
const BPF_NOEXIST: u64 = 1;
const EEXIST: i32 = -17;

#[map]
static JOURNEYS: HashMap<u64, Journey> = HashMap::with_max_entries(MAX_JOURNEYS, 0);

/// New journeys are copied from here: a record is larger than a program's stack, and a per-CPU
/// scratch record could be overwritten by a program that interrupts this one.
static EMPTY: Journey = Journey::ZERO;

/// Where a stamp was taken.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) hook: Hook,
    pub(crate) netns: u32,
    pub(crate) ifindex: u32,
}

/// The journey of the packet at this address, if it is of interest.
#[inline(always)]
pub(crate) fn find(skb: u64) -> Option<&'static mut Journey> {
    let journey = JOURNEYS.get_ptr_mut(skb)?;
    // SAFETY: one CPU at a time handles a packet, and journeys are freed by its last hook only
    // (or by the agent, long after the packet has gone; map memory stays mapped then too).
    Some(unsafe { &mut *journey })
}

/// What a journey begins with, besides its packet.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) message: Message,
    pub(crate) sender_cookie: u64,
    /// When the packet left its socket, or arrived.
    pub(crate) start_ns: u64,
    /// The node sent the packet itself, and its first stamps wait.
    pub(crate) has_output_stamps: bool,
}

/// Begins the journey of a packet.
#[inline(always)]
pub(crate) fn open(skb: u64, packet: &Packet, opening: Opening) -> Option<&'static mut Journey> {
    let empty: &Journey = &EMPTY;
    match JOURNEYS.insert(skb, empty, BPF_NOEXIST) {
        Ok(()) => {}
        Err(EEXIST) => {
            count(Counter::Replaced);
            JOURNEYS.insert(skb, empty, BPF_ANY).ok()?;
        }
        Err(_) => {
            count(Counter::OpenFailed);
            return None;
        }
    }
    let journey = find(skb)?;
    count(Counter::Opened);
    journey.kind = RecordKind::Journey as u32;
    journey.message = opening.message as u8;
    journey.sender_cookie = opening.sender_cookie;
    journey.seq = packet.seq;
    journey.ack = packet.ack;
    journey.payload_bytes = packet.payload_bytes;
    packet.tuple.copy_to(&mut journey.sent);
    journey.start_ns = opening.start_ns;
    if opening.has_output_stamps {
        output::adopt(journey);
    }
    Some(journey)
}

/// Adds a stamp.
#[inline(always)]
pub(crate) fn stamp(journey: &mut Journey, place: Place) {
    // SAFETY: the helper has no preconditions.
    stamp_at(journey, place, unsafe { bpf_ktime_get_ns() });
}

/// Adds a stamp that was taken at `at_ns`.
#[inline(always)]
pub(crate) fn stamp_at(journey: &mut Journey, place: Place, at_ns: u64) {
    hit(place.hook);
    let index = usize::from(journey.stamp_count);
    if index >= MAX_STAMPS {
        journey.flags |= STAMPS_CUT;
        return;
    }
    let elapsed_ns = at_ns.saturating_sub(journey.start_ns);
    journey.stamps[index] = Stamp {
        offset_ns: if elapsed_ns > u64::from(u32::MAX) {
            u32::MAX
        } else {
            elapsed_ns as u32
        },
        netns: place.netns,
        ifindex: place.ifindex,
        hook: place.hook as u8,
        padding: [0; 3],
    };
    journey.stamp_count = index as u8 + 1;
}

/// Whether `packet` is the one this journey was opened for.
#[inline(always)]
pub(crate) fn is_of(journey: &Journey, packet: &Packet) -> bool {
    journey.seq == packet.seq && journey.payload_bytes == packet.payload_bytes
}

/// Ends a journey: sends it and forgets it.
#[inline(always)]
pub(crate) fn end(skb: u64, journey: &mut Journey, end: End) {
    journey.end = end as u8;
    count(match end {
        End::Dropped => Counter::Dropped,
        End::Left => Counter::Left,
        End::Socket | End::Expired => Counter::Closed,
    });
    let stamps = usize::from(journey.stamp_count);
    if stamps <= MAX_STAMPS {
        let bytes = HEADER_BYTES + stamps * size_of::<Stamp>();
        // SAFETY: `bytes` is at most the size of the record.
        let used =
            unsafe { core::slice::from_raw_parts((&raw const *journey).cast::<u8>(), bytes) };
        emit::send::<[u8]>(used, Counter::JourneyLost);
    }
    forget(skb);
}

/// The packet goes on to another node. One that came from another is none of this node's.
#[inline(always)]
pub(crate) fn leave(skb: u64, journey: &mut Journey) {
    if journey.stamps[0].hook != Hook::UplinkReceive as u8 {
        end(skb, journey, End::Left);
        return;
    }
    count(Counter::Forwarded);
    uplink::forwards(journey.sender_cookie);
    forget(skb);
}

/// Removes a journey without sending it.
#[inline(always)]
pub(crate) fn forget(skb: u64) {
    let _ = JOURNEYS.remove(skb);
}
