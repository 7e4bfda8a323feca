//! The sockets by which the programs see what arrives at uplinks.
//!
//! In: which devices are uplinks. Out: a packet socket on each, that keeps nothing, and the programs'
//! maps brought up to date. Needs CAP_NET_RAW. Dropping it closes the sockets, and that is all there
//! was.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use aya::{
    maps::{Array, HashMap, Map, MapData, MapError},
    programs::{ProgramError, SocketFilter},
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tracer_common::uplink::{BRIDGED, Bits, bit, key};

use crate::uplinks::{Uplink, Uplinks};

/// Why an uplink is not followed.
#[derive(Debug, thiserror::Error)]
pub enum UplinkSocketError {
    /// No packet socket.
    #[error("open a packet socket on {name} (needs CAP_NET_RAW, and a kernel with CONFIG_PACKET)")]
    Socket {
        /// The device.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The filter was refused.
    #[error("attach the filter for {name}")]
    Filter {
        /// The device.
        name: String,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// The programs cannot be told.
    #[error("tell the programs of {name}: there are more uplinks than they can hold")]
    Map {
        /// The device, or `VXLAN`.
        name: String,
        /// Why.
        #[source]
        source: MapError,
    },
}

/// The sockets, and the maps that name their devices to the programs.
pub(super) struct UplinkSockets {
    netns: u32,
    uplinks: HashMap<MapData, u64, u32>,
    vxlan_ports: HashMap<MapData, u32, u32>,
    /// Which devices may be uplinks.
    bits: Array<MapData, Bits>,
    /// By the number of the device; without a socket where that was refused.
    open: BTreeMap<u32, (Uplink, Option<OwnedFd>)>,
}

impl UplinkSockets {
    /// The programs' maps of these names.
    pub(super) const MAPS: [&str; 3] = ["UPLINKS", "VXLAN_PORTS", "UPLINK_BITS"];

    /// Takes the maps; `netns` is the namespace that uplinks are in. `None` where they are others.
    pub(super) fn new(netns: u32, maps: [Option<Map>; 3]) -> Option<Self> {
        let [uplinks, vxlan_ports, bits] = maps;
        Some(Self {
            netns,
            uplinks: uplinks?.try_into().ok()?,
            vxlan_ports: vxlan_ports?.try_into().ok()?,
            bits: bits?.try_into().ok()?,
            open: BTreeMap::new(),
        })
    }

    /// Follows these uplinks and no others. What is refused is left out, and said.
    pub(super) fn follow(
        &mut self,
        uplinks: &Uplinks,
        filter: Option<&SocketFilter>,
    ) -> Vec<UplinkSocketError> {
        let is_kept = |known: &Uplink| uplinks.devices.contains(known);
        let gone: Vec<u32> = self
            .open
            .values()
            .filter(|(known, _)| !is_kept(known))
            .map(|(known, _)| known.ifindex)
            .collect();
        for ifindex in gone {
            self.open.remove(&ifindex);
            // It may be there no more, with a map that was never told of it.
            let _ = self.uplinks.remove(&key(self.netns, ifindex));
        }
        let mut errors = self.listen_on(uplinks);
        for uplink in &uplinks.devices {
            if !self.open.contains_key(&uplink.ifindex)
                && let Err(error) = self.add(uplink, filter)
            {
                errors.push(error);
            }
        }
        errors
    }

    /// Brings the ports of VXLAN devices up to date.
    fn listen_on(&mut self, uplinks: &Uplinks) -> Vec<UplinkSocketError> {
        let told: Vec<u32> = self.vxlan_ports.keys().filter_map(Result::ok).collect();
        let wanted = |port: &u32| uplinks.vxlan_ports.iter().any(|is| u32::from(*is) == *port);
        for port in told.iter().filter(|port| !wanted(port)) {
            let _ = self.vxlan_ports.remove(port);
        }
        let new = uplinks.vxlan_ports.iter().map(|port| u32::from(*port));
        let results = new.map(|port| self.vxlan_ports.insert(port, 1, 0));
        results
            .filter_map(Result::err)
            .map(|source| UplinkSocketError::Map {
                name: "VXLAN".to_owned(),
                source,
            })
            .collect()
    }

    /// Adds a device to those that may be uplinks. None is ever taken out: another may have the same bit.
    fn may_be_uplink(&mut self, uplink: &Uplink) -> Result<(), UplinkSocketError> {
        let (word, bit) = bit(uplink.ifindex);
        let told = self.bits.get(&0, 0).and_then(|mut bits| {
            bits[word] |= bit;
            self.bits.set(0, bits, 0)
        });
        told.map_err(|source| UplinkSocketError::Map {
            name: uplink.name.clone(),
            source,
        })
    }

    fn add(
        &mut self,
        uplink: &Uplink,
        filter: Option<&SocketFilter>,
    ) -> Result<(), UplinkSocketError> {
        let flags = if uplink.is_bridged { BRIDGED } else { 0 };
        self.may_be_uplink(uplink)?;
        // Told first: what leaves is not to be followed further even where nothing that arrives is.
        self.uplinks
            .insert(key(self.netns, uplink.ifindex), flags, 0)
            .map_err(|source| UplinkSocketError::Map {
                name: uplink.name.clone(),
                source,
            })?;
        let socket = filter.map(|filter| filtered_socket(&uplink.name, filter, uplink.ifindex));
        let (socket, result) = match socket.transpose() {
            Ok(socket) => (socket, Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.open.insert(uplink.ifindex, (uplink.clone(), socket));
        result
    }
}

/// A socket whose filter sees what arrives at a device; no device yet where the number is 0.
pub(super) fn filtered_socket(
    name: &str,
    filter: &SocketFilter,
    ifindex: u32,
) -> Result<OwnedFd, UplinkSocketError> {
    let failed = |source| UplinkSocketError::Socket {
        name: name.to_owned(),
        source,
    };
    let socket = packet_socket().map_err(failed)?;
    filter
        .attach(&socket)
        .map_err(|source| UplinkSocketError::Filter {
            name: name.to_owned(),
            source,
        })?;
    if ifindex != 0 {
        bind(&socket, ifindex).map_err(failed)?;
    }
    Ok(socket)
}

/// A socket that hears nothing yet, and will hear nothing that this node sends: of each such packet
/// the kernel would make a copy.
fn packet_socket() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Packet,
        // Packets without their link layer's header: the filter begins at the network header.
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    checked(result).map(|()| socket)
}

/// Begins to hear what arrives at a device, of every protocol: those of one would be asked after the
/// IP stack, which then works on a copy (kernel: __netif_receive_skb_core).
fn bind(socket: &OwnedFd, ifindex: u32) -> io::Result<()> {
    // SAFETY: all bytes zero are a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = ifindex.cast_signed();
    // SAFETY: the address is one of this family, and its length is given.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        )
    };
    checked(result)
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
