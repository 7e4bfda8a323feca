//! Which connections a fault hits.

use std::net::Ipv4Addr;

use crate::pod::Pod;

/// The connections of one client to one port of whatever pod they are translated to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victims {
    /// The client's address.
    pub client: Ipv4Addr,
    /// The port that the pods listen on.
    pub port: u16,
}

impl Victims {
    /// The connections of a pod.
    pub fn of(client: &Pod, port: u16) -> Self {
        Self {
            client: client.ip(),
            port,
        }
    }
}
