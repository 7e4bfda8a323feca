//! What the spans need to know besides their exchange or connect.

use crate::{
    decode::{DropReasons, Journey},
    identity::directory::Directory,
    kube_proxy::Rules,
    path::{Devices, PacketDrop},
};

use super::{clock::Clock, detail::Detail};

/// What is known now, and how much of it is to be told.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Converts the kernel's times.
    pub clock: &'a Clock,
    /// Names of devices.
    pub devices: &'a Devices,
    /// Names of services.
    pub rules: &'a Rules,
    /// Names of the kernel's reasons to drop a packet.
    pub drop_reasons: &'a DropReasons,
    /// Names of pods.
    pub directory: &'a Directory,
    /// Tells this node's hops from another's.
    pub node: &'a str,
    /// How many spans tell it.
    pub detail: Detail,
}

impl Context<'_> {
    /// Why and where a packet was dropped; `None` where it was not.
    pub fn packet_drop(&self, journey: &Journey) -> Option<PacketDrop> {
        PacketDrop::of(journey, self.devices, self.drop_reasons)
    }
}
