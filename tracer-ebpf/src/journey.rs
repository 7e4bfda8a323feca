//! Journeys: opened at the sending socket or where the packet arrives from another node, stamped on
//! the way, sent to user space once at the end.
//!
//! The key is the address of the sk_buff, which a packet keeps across veth, bridge and netfilter.
//! An address is used again after a free; the end of a journey therefore compares the sequence
//! number, and throws away the record of another packet.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, helpers::bpf_ktime_get_ns, macros::map, maps::Array};
use tracer_common::{
    RecordKind,
    counter::Counter,
    hook::Hook,
    journey::{End, HEADER_BYTES, Journey, MAX_JOURNEYS, MAX_STAMPS, STAMPS_CUT},
    message::Message,
    stamp::Stamp,
    tuple::Tuple,
};

use crate::{
    count::{count, hit},
    emit, output,
    packet::Packet,
    socket::{self, FORWARDED},
    table::Keys,
};

/// The addresses of the packets whose journeys are in the places of [`JOURNEYS`]. One value, which the
/// agent maps into its memory: it removes what never ended.
#[map]
static JOURNEY_KEYS: Array<Keys<MAX_JOURNEYS>> = Array::with_max_entries(1, BPF_F_MMAPABLE);

#[map]
static JOURNEYS: Array<Journey> = Array::with_max_entries(MAX_JOURNEYS as u32, 0);

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
    at(keys()?.find(skb))
}

#[inline(always)]
fn keys() -> Option<&'static mut Keys<MAX_JOURNEYS>> {
    let keys = JOURNEY_KEYS.get_ptr_mut(0)?;
    // SAFETY: checked for null; all access to the keys is by whole words.
    Some(unsafe { &mut *keys })
}

#[inline(always)]
fn at(place: u32) -> Option<&'static mut Journey> {
    let journey = JOURNEYS.get_ptr_mut(place)?;
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

/// Begins the journey of a packet. Where all places of its bucket are taken it has none, and that is
/// counted.
#[inline(always)]
pub(crate) fn open(skb: u64, packet: &Packet, opening: Opening) -> Option<&'static mut Journey> {
    let keys = keys()?;
    let mut place = keys.find(skb);
    if place < MAX_JOURNEYS as u32 {
        count(Counter::Replaced);
        keys.hide(place);
    } else {
        place = keys.claim(skb);
    }
    let Some(journey) = at(place) else {
        count(Counter::OpenFailed);
        return None;
    };
    count(Counter::Opened);
    begin(journey, packet, opening);
    keys.set(place, skb);
    if opening.has_output_stamps {
        output::adopt(journey);
    }
    Some(journey)
}

/// Writes all that comes before the stamps, but for what conntrack knows: a flag says whether it does.
#[inline(always)]
fn begin(journey: &mut Journey, packet: &Packet, opening: Opening) {
    journey.kind = RecordKind::Journey as u32;
    journey.message = opening.message as u8;
    journey.end = End::Expired as u8;
    journey.stamp_count = 0;
    journey.flags = 0;
    journey.start_ns = opening.start_ns;
    journey.sender_cookie = opening.sender_cookie;
    journey.receiver_cookie = 0;
    journey.sender_cgroup = 0;
    journey.receiver_cgroup = 0;
    journey.seq = packet.seq;
    journey.ack = packet.ack;
    journey.payload_bytes = packet.payload_bytes;
    journey.drop_reason = 0;
    packet.tuple.copy_to(&mut journey.sent);
    Tuple::ZERO.copy_to(&mut journey.received);
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
        emit::send_and_look::<[u8]>(used, Counter::JourneyLost);
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
    if let Some(remote) = socket::find_or_add(journey.sender_cookie) {
        remote.flags |= FORWARDED;
    }
    forget(skb);
}

/// Removes a journey without sending it.
#[inline(always)]
pub(crate) fn forget(skb: u64) {
    if let Some(keys) = keys() {
        let place = keys.find(skb);
        if place < MAX_JOURNEYS as u32 {
            keys.free(place);
        }
    }
}
