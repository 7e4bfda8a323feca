//! The inputs of spans besides the exchange or connect.

use crate::{
    decode::{DropReasons, Journey},
    http::UrlPaths,
    identity::directory::Directory,
    kube_proxy::Rules,
    path::{Devices, PacketDrop},
};

use super::{clock::Clock, service_name::ServiceName};

/// Clocks, tables and settings from which spans are built.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Converts the kernel's times.
    pub clock: &'a Clock,
    /// Names and kinds of devices.
    pub devices: &'a Devices,
    /// kube-proxy's rules.
    pub rules: &'a Rules,
    /// Names of the kernel's reasons to drop a packet.
    pub drop_reasons: &'a DropReasons,
    /// Names of pods, nodes and services.
    pub directory: &'a Directory,
    /// This node's name, a part of the ids of its spans.
    pub node: &'a str,
    /// Under which service's name spans are exported.
    pub service_name: ServiceName,
    /// How much of the paths of requests is exported.
    pub url_paths: UrlPaths,
}

impl Context<'_> {
    /// Where and why a packet was dropped; `None` where it was not.
    pub fn packet_drop(&self, journey: &Journey) -> Option<PacketDrop> {
        PacketDrop::of(journey, self.devices, self.drop_reasons)
    }
}
