//! The devices seen so far.

use std::collections::HashMap;

use crate::decode::{Device, DeviceId};

/// Devices remembered; pods come and go, so all are forgotten when it is full, and told again by
/// the kernel programs only when they have forgotten them too. Far above a node's 110 pods.
const MAX_DEVICES: usize = 16_384;

/// What is known of each device.
#[derive(Debug, Default)]
pub struct Devices(HashMap<DeviceId, Device>);

impl Devices {
    /// Remembers a device.
    pub fn insert(&mut self, device: Device) {
        if self.0.len() >= MAX_DEVICES {
            self.0.clear();
        }
        self.0.insert(device.id, device);
    }

    /// The device of a stamp, if it has one that is known.
    pub fn get(&self, id: Option<DeviceId>) -> Option<&Device> {
        self.0.get(&id?)
    }
}
