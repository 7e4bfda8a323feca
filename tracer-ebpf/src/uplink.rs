//! The uplinks: the devices by which this node reaches others. Also the synthetic cookies of
//! sockets behind them.
//!
//! In: what the agent has found out about devices. A journey ends where its packet leaves by an
//! uplink, so that no hook of another node adds to it, even if both nodes share a kernel.

use aya_ebpf::{
    Global,
    macros::map,
    maps::{Array, HashMap},
};
use tracer_common::{remote, tuple::Tuple, uplink};

use crate::shared::{MapValue as _, Shared};

/// Far more than a node has.
const MAX_UPLINKS: u32 = 64;
const MAX_VXLAN_PORTS: u32 = 16;

/// Uplinks by [`uplink::key`], with flags. Only the agent writes this map and the two below, by
/// system calls, while programs read them: a program sees the devices as before the change or as
/// after it. An element that is removed and used again has the flags of another uplink, for one
/// packet.
#[map]
static UPLINKS: HashMap<u64, Shared<u32>> = HashMap::with_max_entries(MAX_UPLINKS, 0);

/// The devices that may be uplinks, checked for every packet that a device transmits. Each bit is
/// of one device, so that a mix of old and new bits is no error.
#[map]
static UPLINK_BITS: Array<[Shared<u64>; uplink::BIT_WORDS]> = Array::with_max_entries(1, 0);

/// UDP ports of the node's VXLAN devices, host byte order.
#[map]
static VXLAN_PORTS: HashMap<u32, Shared<u32>> = HashMap::with_max_entries(MAX_VXLAN_PORTS, 0);

/// Inode number of the agent's network namespace, in which the uplinks are.
#[unsafe(no_mangle)]
static NODE_NETNS: Global<u32> = Global::new(0);

/// Seeds the synthetic cookies, so that a sender on the wire cannot choose addresses whose cookie
/// is that of another sender.
#[unsafe(no_mangle)]
static REMOTE_SEED: Global<u64> = Global::new(0);

/// Inode number of the network namespace in which the uplinks are.
#[inline(always)]
pub(crate) fn node_netns() -> u32 {
    NODE_NETNS.load()
}

/// Whether packets leave the node by this device.
#[inline(always)]
pub(crate) fn is_uplink(netns: u32, ifindex: u32) -> bool {
    let (word, bit) = uplink::bit(ifindex);
    let may_be = UPLINK_BITS
        .value(0)
        .is_some_and(|bits| bits[word].get() & bit != 0);
    may_be && UPLINKS.value(uplink::key(netns, ifindex)).is_some()
}

/// Whether the uplink is a port of a bridge, which takes packets for other nodes as well.
#[inline(always)]
pub(crate) fn is_bridged(ifindex: u32) -> bool {
    UPLINKS
        .value(uplink::key(node_netns(), ifindex))
        .is_some_and(|flags| flags.get() & uplink::BRIDGED != 0)
}

/// Whether a VXLAN device of the node listens on this UDP port.
#[inline(always)]
pub(crate) fn is_vxlan_port(port_be: u16) -> bool {
    VXLAN_PORTS
        .value(u32::from(u16::from_be(port_be)))
        .is_some()
}

/// Synthetic cookie for a sender on another node, hashed from the tuple of its packets as they
/// arrive.
#[inline(always)]
pub(crate) fn remote_cookie(tuple: &Tuple) -> u64 {
    let ports = u32::from(tuple.source_port_be) << 16 | u32::from(tuple.destination_port_be);
    remote::synthetic_cookie(hash(tuple, ports))
}

/// Hash of the addresses of a packet, and of the ports that the caller chooses.
#[inline(always)]
pub(crate) fn hash(tuple: &Tuple, ports: u32) -> u64 {
    let mut hash = REMOTE_SEED.load();
    for address in [&tuple.source_be, &tuple.destination_be] {
        hash = mix(hash, pair(address[0], address[1]));
        hash = mix(hash, pair(address[2], address[3]));
    }
    mix(hash, u64::from(ports))
}

/// Hash of one address.
#[inline(always)]
pub(crate) fn hash_address(address: [u32; 4]) -> u64 {
    let hash = mix(REMOTE_SEED.load(), pair(address[0], address[1]));
    mix(hash, pair(address[2], address[3]))
}

#[inline(always)]
const fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// One step of a multiplicative hash with 2^64 divided by the golden ratio.
#[inline(always)]
const fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}
