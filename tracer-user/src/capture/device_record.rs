//! The device record of an uplink, in the form in which the kernel programs send devices.

use tracer_common::{
    RecordKind,
    device::{Device, IS_BRIDGE_PORT, NAME_BYTES},
};

use crate::uplinks::Uplink;

/// The record of an uplink in a network namespace.
pub fn device_record(netns: u32, uplink: &Uplink) -> Vec<u8> {
    let flags = if uplink.is_bridged { IS_BRIDGE_PORT } else { 0 };
    let words = [RecordKind::Device as u32, netns, uplink.ifindex, flags];
    let mut record: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    record.extend(padded(&uplink.name));
    record.extend(padded(&uplink.kind));
    debug_assert_eq!(record.len(), size_of::<Device>());
    record
}

/// The text with a NUL after it, as the kernel stores names.
fn padded(text: &str) -> [u8; NAME_BYTES] {
    let mut padded = [0; NAME_BYTES];
    for (to, from) in padded.iter_mut().zip(text.bytes().take(NAME_BYTES - 1)) {
        *to = from;
    }
    padded
}

#[cfg(test)]
mod tests {
    use tracer_pipeline::decode::{Record, decode};

    use super::*;

    #[test]
    fn it_decodes_to_the_device() {
        let uplink = Uplink {
            ifindex: 2,
            name: "eth0".to_owned(),
            kind: "veth".to_owned(),
            is_bridged: true,
        };
        let Ok(Record::Device(device)) = decode(&device_record(9, &uplink)) else {
            panic!("not a device");
        };
        assert_eq!((device.id.netns, device.id.ifindex), (9, 2));
        assert_eq!((&*device.name, &*device.link_kind), ("eth0", "veth"));
        assert!(device.is_bridge_port && !device.is_bridge);
    }
}
