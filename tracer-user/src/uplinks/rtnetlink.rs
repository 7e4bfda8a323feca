//! The links and default routes of the node, and when they change. In: questions to rtnetlink
//! (rtnetlink(7)), in the network namespace of the thread that opened it. Out: a `Network`.
//!
//! A default route is one of destination length 0, in any table: a policy may send pods by another
//! than the main one.

use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use netlink_packet_core::{NLM_F_DUMP, NlasIterator};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, SockProtocol, recv},
};

use crate::netlink::{self, Netlink};

use super::choice::{Link, Network};

const GET_LINK: u16 = 18;
const NEW_LINK: u16 = 16;
const GET_ROUTE: u16 = 26;
const NEW_ROUTE: u16 = 24;
/// RTMGRP_LINK, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE.
const GROUPS: u32 = 0x1 | 0x40 | 0x400;
/// struct ifinfomsg, the longer of the two bodies of a question.
const BODY_BYTES: usize = 16;
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
/// Most that one dump may bring: 16,384 links, or half a million routes.
const MAX_DUMP_BYTES: usize = 64 << 20;
/// Readings of what changes meanwhile.
const MAX_READINGS: u32 = 5;

/// Why the network is not known.
#[derive(Debug, thiserror::Error)]
pub enum RtnetlinkError {
    /// The socket failed.
    #[error("talk to rtnetlink")]
    Socket(#[source] io::Error),
    /// The kernel said no.
    #[error("ask rtnetlink for links and routes: {0}")]
    Refused(#[source] Errno),
    /// Links or routes changed while they were read, each time.
    #[error("links or routes changed while they were read")]
    Changed,
    /// Not what netlink(7) says.
    #[error("an answer of rtnetlink is not well formed")]
    Malformed,
    /// More than any node has.
    #[error("there are more than {} MiB of links or routes; name the uplinks with --uplink", MAX_DUMP_BYTES >> 20)]
    TooLarge,
}

impl From<netlink::Failure> for RtnetlinkError {
    fn from(failure: netlink::Failure) -> Self {
        use netlink::Failure;
        match failure {
            Failure::Socket(error) => Self::Socket(error),
            Failure::Refused(errno) => Self::Refused(errno),
            Failure::Changed => Self::Changed,
            Failure::Malformed => Self::Malformed,
            Failure::TooLarge => Self::TooLarge,
        }
    }
}

/// Sockets to rtnetlink: one for questions, one that hears of changes.
#[derive(Debug)]
pub struct Rtnetlink {
    questions: Netlink,
    changes: OwnedFd,
}

impl Rtnetlink {
    /// Opens the sockets. From now on changes are heard.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one.
    pub fn open() -> Result<Self, RtnetlinkError> {
        Ok(Self {
            changes: netlink::listen(SockProtocol::NetlinkRoute, GROUPS).map_err(socket_error)?,
            questions: Netlink::open(SockProtocol::NetlinkRoute, MAX_DUMP_BYTES)?,
        })
    }

    /// Waits for a change, or until `timeout` has passed, and takes all there are; whether there was
    /// one.
    ///
    /// # Errors
    ///
    /// When the socket fails.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, RtnetlinkError> {
        if !netlink::wait(&self.changes, timeout).map_err(socket_error)? {
            return Ok(false);
        }
        // That there were some is all that counts: what is cut is no loss.
        let mut ignored = [0; 64];
        loop {
            match recv(self.changes.as_raw_fd(), &mut ignored, MsgFlags::empty()) {
                // More changes than the socket's buffer holds are changes too.
                Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(true),
                Err(error) => return Err(socket_error(error)),
            }
        }
    }

    /// The links and the devices of default routes, as they are now.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell them.
    pub fn network(&mut self) -> Result<Network, RtnetlinkError> {
        for _ in 1..MAX_READINGS {
            match self.read() {
                Err(RtnetlinkError::Changed) => {}
                result => return result,
            }
        }
        self.read()
    }

    fn read(&mut self) -> Result<Network, RtnetlinkError> {
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

    /// Asks for everything of a kind, of every family (AF_UNSPEC): a body all zero.
    fn dump(&mut self, kind: u16, each: &mut impl FnMut(u16, &[u8])) -> Result<(), RtnetlinkError> {
        Ok(self
            .questions
            .ask(kind, NLM_F_DUMP, &[0; BODY_BYTES], each)?)
    }
}

fn socket_error(error: Errno) -> RtnetlinkError {
    RtnetlinkError::Socket(error.into())
}

/// The attributes behind a body of so many bytes, as number and value; up to one that is not whole.
fn attributes(payload: &[u8], body_bytes: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let attributes = NlasIterator::new(payload.get(body_bytes..).unwrap_or_default());
    attributes
        .map_while(Result::ok)
        .map(|attribute| (attribute.kind(), attribute.into_inner()))
        .filter_map(|(kind, whole)| Some((kind, value(whole)?)))
}

/// What follows the length and the number.
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
    let mut is_below_elsewhere = false;
    for (kind, value) in attributes(payload, BODY_BYTES) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_LINK => link.below = word(value),
            IFLA_MASTER => link.master = word(value),
            IFLA_LINK_NETNSID => is_below_elsewhere = true,
            IFLA_LINKINFO => link_info(value, &mut link),
            _ => {}
        }
    }
    if is_below_elsewhere {
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

/// The devices of a route, if it is a default one. struct rtmsg: family, destination length, source
/// length, tos, table, protocol, scope, type, flags.
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

/// The devices of struct rtnexthop: length (u16), flags, hops, index (i32), attributes.
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
