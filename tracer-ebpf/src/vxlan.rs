//! Packets inside VXLAN (RFC 7348 section 5): Ethernet in UDP, to a port of one of the node's devices.
//!
//! In: a packet as it arrives. Out: where the network header of the packet inside is.

use aya_ebpf::programs::SkBuffContext;

use crate::{packet, uplink};

const UDP_HEADER_BYTES: usize = 8;
const VXLAN_HEADER_BYTES: usize = 8;
const ETHERNET_HEADER_BYTES: usize = 14;
/// The flag that says there is a network identifier.
const HAS_VNI: u8 = 0x08;

/// Where the network header is of the packet that this one carries; 0, its own, if it carries none.
#[inline(always)]
pub(crate) fn inner_offset(ctx: &SkBuffContext) -> usize {
    let udp = packet::udp_offset(ctx);
    if udp == 0 {
        return 0;
    }
    let Ok(port_be) = ctx.load::<u16>(udp + 2) else {
        return 0;
    };
    if !uplink::is_vxlan_port(port_be) {
        return 0;
    }
    let vxlan = udp + UDP_HEADER_BYTES;
    let flags: u8 = ctx.load(vxlan).unwrap_or(0);
    if flags & HAS_VNI == 0 {
        return 0;
    }
    vxlan + VXLAN_HEADER_BYTES + ETHERNET_HEADER_BYTES
}
