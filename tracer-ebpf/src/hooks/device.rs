//! tp_btf net_dev_start_xmit and netif_receive_skb: every device in every network namespace.
//!
//! Sees: every packet that is handed to a driver (kernel: xmit_one, void (const struct sk_buff *,
//! const struct net_device *)), and every packet that is taken from a device (kernel:
//! __netif_receive_skb_core, void (struct sk_buff *)), including a bridge on the way up. Misses:
//! packets that XDP redirects, and skbs that GRO has merged into another. Oldest kernel: 5.5. No
//! fallback: a path then has no veth and bridge hops.

use core::ffi::c_void;

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_common::hook::Hook;

use crate::{
    device, journey,
    kernel::{device::NetDevice, skb::Skb},
    output_stamps, uplink,
};

#[btf_tracepoint(function = "net_dev_start_xmit")]
fn device_transmit(ctx: BtfTracePointContext) -> i32 {
    let skb = Skb::new(ctx.arg::<*const c_void>(0));
    if let Some(journey) = journey::find(skb.address()) {
        let device = NetDevice::new(ctx.arg::<*const c_void>(1));
        let point = device::hook_point(Hook::DeviceTransmit, device);
        journey::stamp(journey, point);
        if uplink::is_uplink(point.netns, point.ifindex) {
            journey::leave(skb.address(), journey);
        }
    } else {
        let _ = output_stamps::take(skb.address());
    }
    0
}

#[btf_tracepoint(function = "netif_receive_skb")]
fn device_receive(ctx: BtfTracePointContext) -> i32 {
    let skb = Skb::new(ctx.arg::<*const c_void>(0));
    if let Some(journey) = journey::find(skb.address()) {
        let point = device::hook_point(Hook::DeviceReceive, skb.device());
        journey::stamp(journey, point);
    }
    0
}
