//! The packet sockets through which the programs see what arrives at uplinks.
//!
//! In: the uplinks. Out: a packet socket on each, whose filter runs the program and keeps no
//! packet, and the programs' maps of uplinks up to date. Needs CAP_NET_RAW. Closing the sockets
//! detaches.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, ProgramArray},
    programs::{ProgramError, ProgramFd, SocketFilter},
};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use tracer_common::uplink::{BRIDGED, Bits, bit, key};

use crate::uplinks::{Uplink, Uplinks};

/// Why packets of an uplink are not followed.
#[derive(Debug, thiserror::Error)]
pub enum UplinkSocketError {
    /// The packet socket is refused.
    #[error("open a packet socket on {name} (needs CAP_NET_RAW, and a kernel with CONFIG_PACKET)")]
    Socket {
        /// The device.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The program that the small filter calls cannot be stored where the filter finds it.
    #[error("store the uplinks' program in {PROGRAM_MAP}")]
    ProgramMap {
        /// The cause.
        #[source]
        source: MapError,
    },
    /// The filter is refused.
    #[error("attach the filter for {name}")]
    Filter {
        /// The device.
        name: String,
        /// The cause.
        #[source]
        source: ProgramError,
    },
    /// A map of the programs is full.
    #[error("add {name} to the programs' maps: there are more uplinks than they hold")]
    Map {
        /// The device, or `VXLAN`.
        name: String,
        /// The cause.
        #[source]
        source: MapError,
    },
}

/// The sockets, and the programs' maps of uplinks.
pub(super) struct UplinkSockets {
    netns: u32,
    uplinks: HashMap<MapData, u64, u32>,
    vxlan_ports: HashMap<MapData, u32, u32>,
    /// A bit for each value of the interface index's low bits, set where an uplink has that value.
    bits: Array<MapData, Bits>,
    /// By interface index; without a socket where that was refused, until it is tried again.
    open: BTreeMap<u32, (Uplink, Option<OwnedFd>)>,
}

impl UplinkSockets {
    /// The names of the maps.
    pub(super) const MAPS: [&str; 3] = ["UPLINKS", "VXLAN_PORTS", "UPLINK_BITS"];

    /// Takes the maps. `netns` is the namespace of the uplinks. `None` when a map is missing or of
    /// another type.
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

    /// Follows these uplinks and no others. Returns the errors; a refused uplink is left out.
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
            // Fails where the map was full when the uplink was added.
            let _ = self.uplinks.remove(&key(self.netns, ifindex));
        }
        let mut errors = self.set_vxlan_ports(uplinks);
        for uplink in &uplinks.devices {
            let is_open = matches!(self.open.get(&uplink.ifindex), Some((_, Some(_))));
            if !is_open && let Err(error) = self.add(uplink, filter) {
                errors.push(error);
            }
        }
        errors
    }

    /// Replaces the ports of VXLAN devices in the programs' map.
    fn set_vxlan_ports(&mut self, uplinks: &Uplinks) -> Vec<UplinkSocketError> {
        let known: Vec<u32> = self.vxlan_ports.keys().filter_map(Result::ok).collect();
        let wanted = |port: &u32| uplinks.vxlan_ports.iter().any(|is| u32::from(*is) == *port);
        for port in known.iter().filter(|port| !wanted(port)) {
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

    /// Sets the bit of a device. Bits are never cleared, because another device may share the bit.
    fn set_bit(&mut self, uplink: &Uplink) -> Result<(), UplinkSocketError> {
        let (word, bit) = bit(uplink.ifindex);
        let set = self.bits.get(&0, 0).and_then(|mut bits| {
            bits[word] |= bit;
            self.bits.set(0, bits, 0)
        });
        set.map_err(|source| UplinkSocketError::Map {
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
        self.set_bit(uplink)?;
        // Before the socket: journeys of leaving packets end at an uplink also if its socket is
        // refused.
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

/// The map of the program that the uplinks' small filter calls.
const PROGRAM_MAP: &str = "UPLINK_PROGRAM";

/// Makes the uplinks' small filter call this program.
pub(super) fn call(ebpf: &mut Ebpf, program: &ProgramFd) -> Result<(), UplinkSocketError> {
    let stored = ebpf
        .map_mut(PROGRAM_MAP)
        .ok_or(MapError::InvalidName {
            name: PROGRAM_MAP.to_owned(),
        })
        .and_then(ProgramArray::try_from)
        .and_then(|mut programs| programs.set(0, program, 0));
    stored.map_err(|source| UplinkSocketError::ProgramMap { source })
}

/// A packet socket whose filter sees what arrives at a device. With `ifindex` 0 it is not bound.
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

/// An unbound packet socket that ignores outgoing packets, of each of which the kernel would make a
/// copy.
fn packet_socket() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Packet,
        // SOCK_DGRAM removes the link layer's header: the filter begins at the network header.
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?;
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int that outlives the call.
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

/// Binds the socket to a device and every protocol. A socket of one protocol would run its filter
/// after the IP stack, which would then work on a copy (kernel: __netif_receive_skb_core).
fn bind(socket: &OwnedFd, ifindex: u32) -> io::Result<()> {
    // SAFETY: all bytes zero are a valid `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = ifindex.cast_signed();
    // SAFETY: the address is of the socket's family, and its length is given.
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
