//! Table of the devices that the kernel programs have reported.

use std::collections::HashMap;

use crate::decode::{Device, DeviceId};

/// Bound on devices, far above those of a node's 110 pods. A full table is cleared, because devices
/// of deleted pods accumulate; the kernel programs report a device again only after it has left
/// their own table.
const MAX_DEVICES: usize = 16_384;

/// Devices by id.
#[derive(Debug, Default)]
pub struct Devices(HashMap<DeviceId, Device>);

impl Devices {
    /// Adds or replaces a device.
    pub fn insert(&mut self, device: Device) {
        if self.0.len() >= MAX_DEVICES {
            self.0.clear();
        }
        self.0.insert(device.id, device);
    }

    /// The device of a stamp, where the stamp has one and it is in the table.
    pub fn get(&self, id: Option<DeviceId>) -> Option<&Device> {
        self.0.get(&id?)
    }
}
