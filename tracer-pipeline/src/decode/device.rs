//! A network device.

use std::sync::Arc;

use tracer_common::device as raw;

use super::{DecodeError, plain::from_prefix};

/// Identifies a device on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId {
    /// Inode number of its network namespace.
    pub netns: u32,
    /// Interface index in that namespace.
    pub ifindex: u32,
}

/// A network device as the kernel programs report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Namespace and interface index.
    pub id: DeviceId,
    /// Interface name, within its namespace.
    pub name: Arc<str>,
    /// Kind of the virtual device (`rtnl_link_ops.kind`): "veth", "bridge", "vxlan"; empty for
    /// hardware.
    pub link_kind: String,
    /// The device is a bridge.
    pub is_bridge: bool,
    /// The device is a port of a bridge.
    pub is_bridge_port: bool,
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Device, DecodeError> {
    let raw: raw::Device = from_prefix(bytes).ok_or(short)?;
    Ok(Device {
        id: DeviceId {
            netns: raw.netns,
            ifindex: raw.ifindex,
        },
        name: text(&raw.name).into(),
        link_kind: text(&raw.link_kind),
        is_bridge: raw.flags & raw::IS_BRIDGE != 0,
        is_bridge_port: raw.flags & raw::IS_BRIDGE_PORT != 0,
    })
}

/// A NUL-padded name, escaped: the kernel allows any byte but `/` and white space in interface
/// names.
fn text(bytes: &[u8]) -> String {
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    name.escape_ascii().to_string()
}
