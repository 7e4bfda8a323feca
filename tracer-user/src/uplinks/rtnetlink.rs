//! The links and default routes of the node, and notifications of their changes. In: rtnetlink
//! (rtnetlink(7)), in the network namespace of the thread that opens the sockets. Out: a
//! [`Network`].
//!
//! A default route has destination length 0, in any table: a policy may route pods by another table
//! than the main one.
//!
//! # Why the messages are read here and not by netlink-packet-route
//!
//! That crate (0.34) decodes a link or a route as a whole: one attribute of an unexpected length
//! fails the message. Kernels add attributes and extend them: a bridge was undecodable once Linux
//! had IFLA_BR_MCAST_QUERIER_STATE (little-dude/netlink, pull request 247). The agent would miss
//! the uplink, or take a bridge for hardware because its kind is unread. The functions below read
//! the ten attributes that matter and skip the rest. The crate's 31,000 lines also take some 40 s
//! of CPU time to compile.

use std::{collections::BTreeSet, time::Duration};

use netlink_packet_core::{NLM_F_DUMP, NlasIterator};
use nix::sys::socket::SockProtocol;

use crate::netlink::{Listener, Netlink, NetlinkError};

use super::choice::{Link, Network};

const GET_LINK: u16 = 18;
const NEW_LINK: u16 = 16;
const GET_ROUTE: u16 = 26;
const NEW_ROUTE: u16 = 24;
/// RTMGRP_LINK, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE.
const GROUPS: u32 = 0x1 | 0x40 | 0x400;
/// struct ifinfomsg, which is longer than struct rtmsg.
const LINK_BYTES: usize = 16;
/// struct rtmsg.
const ROUTE_BYTES: usize = 12;
const ARPHRD_ETHER: u16 = 1;
const RTN_UNICAST: u8 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_PORT: u16 = 15;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
/// struct rtnexthop.
const NEXT_HOP_BYTES: usize = 8;
/// The bound of one dump: 16,384 links, or half a million routes.
const MAX_DUMP_BYTES: usize = 64 << 20;
/// How often links and routes are dumped before a change that overtakes each dump is an error.
const ATTEMPTS: u32 = 5;
/// Notifications are counted and not read: a cut datagram is enough.
const NOTIFICATION_BYTES: usize = 64;

/// Sockets to rtnetlink: one for requests, one for notifications.
#[derive(Debug)]
pub struct Rtnetlink {
    requests: Netlink,
    changes: Listener,
}

impl Rtnetlink {
    /// Opens the sockets. Changes from now on are received.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a socket.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            changes: Listener::open(SockProtocol::NetlinkRoute, GROUPS, NOTIFICATION_BYTES)?,
            requests: Netlink::open(SockProtocol::NetlinkRoute, MAX_DUMP_BYTES)?,
        })
    }

    /// Waits for a notification and removes all that are queued; false when `timeout` passes first.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, NetlinkError> {
        if !self.changes.wait(timeout)? {
            return Ok(false);
        }
        self.changes.drain(|_| {})?;
        Ok(true)
    }

    /// The current links, and the devices of default routes.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer or refuses, or when a change overtakes each dump.
    pub fn network(&mut self) -> Result<Network, NetlinkError> {
        for _ in 1..ATTEMPTS {
            match self.read() {
                Err(NetlinkError::Changed) => {}
                result => return result,
            }
        }
        self.read()
    }

    fn read(&mut self) -> Result<Network, NetlinkError> {
        let mut network = Network::default();
        self.dump(GET_LINK, &mut |kind, payload| {
            if kind == NEW_LINK {
                network.links.extend(link(payload));
            }
        })?;
        let default_routes = &mut network.default_routes;
        self.dump(GET_ROUTE, &mut |kind, payload| {
            if kind == NEW_ROUTE {
                default_routes.extend(default_route(payload));
            }
        })?;
        Ok(network)
    }

    /// Dumps all objects of a type and of every address family (AF_UNSPEC): a body of zeros.
    fn dump(&mut self, kind: u16, each: &mut impl FnMut(u16, &[u8])) -> Result<(), NetlinkError> {
        self.requests
            .request(kind, NLM_F_DUMP, &[0; LINK_BYTES], each)
    }
}

/// Type and value of each attribute after a body of `body_bytes`, up to the first that is cut.
fn attributes(payload: &[u8], body_bytes: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let attributes = NlasIterator::new(payload.get(body_bytes..).unwrap_or_default());
    attributes
        .map_while(Result::ok)
        .map(|attribute| (attribute.kind(), attribute.into_inner()))
        .filter_map(|(kind, whole)| Some((kind, value(whole)?)))
}

/// The value of a whole attribute, which begins with its length and its type.
fn value(attribute: &[u8]) -> Option<&[u8]> {
    let length: [u8; 2] = *attribute.first_chunk()?;
    attribute.get(4..usize::from(u16::from_ne_bytes(length)))
}

fn word(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// struct ifinfomsg: family, padding, type (u16), index (i32), flags, change.
fn link(payload: &[u8]) -> Option<Link> {
    let mut link = Link {
        is_ethernet: payload.get(2..4)? == ARPHRD_ETHER.to_ne_bytes(),
        ifindex: word(payload.get(4..)?)?,
        ..Link::default()
    };
    let mut is_below_in_other_netns = false;
    for (kind, value) in attributes(payload, LINK_BYTES) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_LINK => link.below = word(value),
            IFLA_MASTER => link.master = word(value),
            IFLA_LINK_NETNSID => is_below_in_other_netns = true,
            IFLA_LINKINFO => link_info(value, &mut link),
            _ => {}
        }
    }
    if is_below_in_other_netns {
        link.below = None;
    }
    Some(link)
}

fn link_info(info: &[u8], link: &mut Link) {
    let mut data: &[u8] = &[];
    for (kind, value) in attributes(info, 0) {
        match kind {
            IFLA_INFO_KIND => link.kind = text(value),
            IFLA_INFO_DATA => data = value,
            _ => {}
        }
    }
    if link.kind == "vxlan" {
        let port = attributes(data, 0).find(|(kind, _)| *kind == IFLA_VXLAN_PORT);
        link.vxlan_port = port
            .and_then(|(_, value)| value.first_chunk())
            .map(|bytes| u16::from_be_bytes(*bytes));
    }
}

/// The devices of a default route; empty for any other route. struct rtmsg: family, destination
/// length, source length, tos, table, protocol, scope, type, flags.
fn default_route(payload: &[u8]) -> BTreeSet<u32> {
    let is_default = payload.get(1) == Some(&0) && payload.get(7) == Some(&RTN_UNICAST);
    if !is_default {
        return BTreeSet::new();
    }
    attributes(payload, ROUTE_BYTES)
        .flat_map(|(kind, value)| match kind {
            RTA_OIF => word(value).into_iter().collect(),
            RTA_MULTIPATH => next_hops(value),
            _ => Vec::new(),
        })
        .collect()
}

/// The devices of a list of struct rtnexthop: length (u16), flags, hops, index (i32), attributes.
fn next_hops(mut hops: &[u8]) -> Vec<u32> {
    let mut devices = Vec::new();
    while let Some(length) = hops.first_chunk() {
        let length = usize::from(u16::from_ne_bytes(*length));
        if length < NEXT_HOP_BYTES {
            break;
        }
        devices.extend(hops.get(4..).and_then(word));
        hops = hops.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    devices
}

#[cfg(test)]
mod tests;
