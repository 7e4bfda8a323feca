//! Packets inside VXLAN (RFC 7348 section 5): Ethernet in UDP, to a port of one of the node's
//! devices.

use aya_ebpf::programs::SkBuffContext;

use crate::{packet, uplink};

const UDP_HEADER_BYTES: usize = 8;
const VXLAN_HEADER_BYTES: usize = 8;
const ETHERNET_HEADER_BYTES: usize = 14;
/// Flag: the network identifier is valid.
const HAS_VNI: u8 = 0x08;

/// The offset of the inner network header, if the packet carries another in VXLAN.
#[inline(always)]
pub(crate) fn inner_offset(ctx: &SkBuffContext) -> Option<usize> {
    let udp = packet::udp_offset(ctx)?;
    let port_be: u16 = ctx.load(udp + 2).ok()?;
    if !uplink::is_vxlan_port(port_be) {
        return None;
    }
    let vxlan = udp + UDP_HEADER_BYTES;
    let flags: u8 = ctx.load(vxlan).ok()?;
    let inner = vxlan + VXLAN_HEADER_BYTES + ETHERNET_HEADER_BYTES;
    (flags & HAS_VNI != 0).then_some(inner)
}
