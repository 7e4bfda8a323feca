//! What arrives at a pod of what another pod sends on a raw socket.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use anyhow::Result;
use hopspan_e2e::{echo, hex};
use hopspan_lab::Pod;
use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, setsockopt, socket,
        sockopt,
    },
    time::TimeVal,
};

use super::packet::ETHERNET_BYTES;

/// The longest silence between two packets.
const SILENCE_S: i64 = 3;
/// Room for all packets, should the receiver be slow.
const BUFFER_BYTES: usize = 64 << 20;
const SEND_LIMIT: Duration = Duration::from_secs(60);

/// Sends IPv4 packets from one pod to another. Returns those that have arrived, by the identification
/// field of their header.
pub(super) fn sent_between(
    from: &Pod,
    to: &Pod,
    packets: &[Vec<u8>],
) -> Result<BTreeMap<u16, Vec<u8>>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("packets");
    let lines: Vec<String> = packets.iter().map(|packet| hex(packet)).collect();
    fs::write(&file, lines.join("\n"))?;
    let receiver = to.within(receiver)??;
    echo(from)?
        .args(["packets", "--to", &to.ip().to_string()])
        .arg(&file)
        .run(SEND_LIMIT)?;
    received(&receiver, from.ip(), packets.len())
}

/// A socket that gets a copy of each frame of all devices of a network namespace.
fn receiver() -> Result<OwnedFd> {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let receiver = socket(AddressFamily::Packet, kind, flags, SockProtocol::EthAll)?;
    setsockopt(&receiver, sockopt::RcvBufForce, &BUFFER_BYTES)?;
    let silence = TimeVal::new(SILENCE_S, 0);
    setsockopt(&receiver, sockopt::ReceiveTimeout, &silence)?;
    Ok(receiver)
}

/// The IPv4 packets of one sender, until there are so many or no more come.
fn received(receiver: &OwnedFd, from: Ipv4Addr, expected: usize) -> Result<BTreeMap<u16, Vec<u8>>> {
    let mut packets = BTreeMap::new();
    let mut frame = vec![0; 1 << 16];
    while packets.len() < expected {
        match recv(receiver.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(bytes) => {
                let frame = &frame[..bytes];
                let packet = frame.get(ETHERNET_BYTES..).unwrap_or_default();
                if frame.get(12..14) == Some(&[8, 0])
                    && packet.get(12..16) == Some(&from.octets())
                    && let Some(&[high, low]) = packet.get(4..6)
                {
                    packets.insert(u16::from_be_bytes([high, low]), packet.to_vec());
                }
            }
            Err(nix::errno::Errno::EAGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(packets)
}
