//! A packet socket like those of the agent. In: a socket filter. Out: the socket, which receives
//! from every device of this network namespace, so that the filter runs for all packets.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Opens the socket; the filter decides what it keeps.
///
/// # Errors
/// When the kernel has no packet sockets (CONFIG_PACKET), or this process no CAP_NET_RAW.
pub(super) fn open(filter: &OwnedFd) -> io::Result<OwnedFd> {
    // With no protocol it receives nothing before it is bound.
    let socket = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // The agent's sockets do not receive what this node sends, either.
    set_option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
    let filter = filter.as_raw_fd();
    set_option(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, filter)?;
    bind_to_all_protocols(&socket)?;
    Ok(socket)
}

fn bind_to_all_protocols(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: all bytes zero are a valid `sockaddr_ll`; the device 0 is any.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
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

/// Sets an option that is an int.
fn set_option(
    socket: &OwnedFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option's value is an int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    checked(result)
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}
