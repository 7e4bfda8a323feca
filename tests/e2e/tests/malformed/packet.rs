//! Packets that are right, and packets whose headers lie.
//!
//! In: a seed. Out: Ethernet frames for BPF_PROG_TEST_RUN, and IPv4 packets that routers forward.

use std::net::Ipv4Addr;

use super::{payload::payload, random::Random};

/// Bytes of an Ethernet header.
pub(super) const ETHERNET_BYTES: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;
const VXLAN_PORT: u16 = 4789;
/// IPv6 extension headers, RFC 8200 section 4: hop-by-hop, routing, fragment, authentication,
/// destination options.
const EXTENSIONS: &[u8] = &[0, 43, 44, 51, 60];
/// Few, so that packets belong to connections that the programs have seen.
const PORTS: Range = 40_000..40_008;
const SEQUENCE: u32 = 1000;

type Range = std::ops::Range<u16>;

/// Which version of IP a packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// IPv4.
    Four,
    /// IPv6.
    Six,
}

/// A frame of any kind, for the loopback device, whose address is zero.
pub(super) fn frame(random: &mut Random) -> (Version, Vec<u8>) {
    let version = random.choice(&[Version::Four, Version::Four, Version::Six]);
    let mut packet = match random.within(0..16) {
        0 => {
            let count = random.within(0..200);
            random.bytes(count)
        }
        1 => tunnelled(random, version),
        _ => ip(random, version),
    };
    if random.one_in(5) {
        let end = random.within(0..packet.len() + 1);
        packet.truncate(end);
    }
    for _ in 0..random.choice(&[0, 0, 0, 1, 1, 8]) {
        // The headers are where a bit does most.
        let end = packet.len().min(80);
        if end > 0 {
            let at = random.within(0..end);
            packet[at] = random.byte();
        }
    }
    if random.one_in(10) {
        let count = random.within(0..64);
        packet.extend(random.bytes(count));
    }
    let destination = match random.one_in(8) {
        true => random.bytes(6),
        false => vec![0; 6],
    };
    let ether_type = match (random.within(0..12), version) {
        (0, _) => random.word(),
        (1, _) => VLAN,
        (_, Version::Four) => IPV4,
        (_, Version::Six) => IPV6,
    };
    let mut frame = [destination, vec![0; 6], ether_type.to_be_bytes().to_vec()].concat();
    if ether_type == VLAN {
        // The tag, and the type of what follows it.
        frame.extend_from_slice(&[0, 7]);
        frame.extend_from_slice(&IPV4.to_be_bytes());
    }
    frame.append(&mut packet);
    (version, frame)
}

/// An IPv4 packet between two addresses whose IP header is right, so that the kernel forwards it. What
/// follows may be anything.
pub(super) fn forwarded(random: &mut Random, from: Ipv4Addr, to: Ipv4Addr, id: u16) -> Vec<u8> {
    let segment = match random.within(0..8) {
        0 => {
            let count = random.within(1..200);
            random.bytes(count)
        }
        _ => tcp(random),
    };
    // A link of the lab carries 1,500 bytes.
    let segment = &segment[..segment.len().min(1400)];
    let protocol = random.choice(&[TCP, TCP, TCP, TCP, TCP, TCP, UDP, 253]);
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(20 + segment.len() as u16).to_be_bytes());
    header[4..6].copy_from_slice(&id.to_be_bytes());
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header, segment].concat()
}

/// A packet of [`forwarded`] after so many routers.
pub(super) fn after(packet: &[u8], routers: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[8] -= routers;
    packet[10..12].fill(0);
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        rest => u32::from(rest[0]) << 8,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn ip(random: &mut Random, version: Version) -> Vec<u8> {
    let segment = match random.one_in(12) {
        true => udp(random, 53, &[]),
        false => tcp(random),
    };
    match version {
        Version::Four => ipv4(random, TCP, &segment),
        Version::Six => ipv6(random, TCP, &segment),
    }
}

/// A packet inside VXLAN, RFC 7348 section 5.
fn tunnelled(random: &mut Random, version: Version) -> Vec<u8> {
    let inner = ip(random, version);
    let ethernet = [vec![0; 12], IPV4.to_be_bytes().to_vec()].concat();
    let vxlan = [8, 0, 0, 0, 0, 0, 1, 0];
    let outer = udp(
        random,
        VXLAN_PORT,
        &[&vxlan, &ethernet[..], &inner].concat(),
    );
    ipv4(random, UDP, &outer)
}

fn ipv4(random: &mut Random, protocol: u8, content: &[u8]) -> Vec<u8> {
    let words = match random.one_in(6) {
        true => random.within(0..16),
        false => 5,
    };
    let options = vec![1; (words * 4).saturating_sub(20)];
    let bytes = (20 + options.len() + content.len()) as u16;
    let length = match random.one_in(5) {
        true => random.choice(&[0, 1, 19, 20, 40, bytes.wrapping_sub(1), bytes + 1, 0xffff]),
        false => bytes,
    };
    let fragment = match random.one_in(10) {
        true => random.choice(&[0x2000, 0x2001, 0x0001, 0x1fff, 0x4000, 0xffff]),
        false => 0x4000,
    };
    let protocol = match random.one_in(20) {
        true => random.byte(),
        false => protocol,
    };
    let mut packet = vec![0x40 | words as u8, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet.extend_from_slice(&u16::to_be_bytes(fragment));
    packet.extend_from_slice(&[64, protocol, 0, 0]);
    packet.extend_from_slice(&[127, 0, 0, 1, 127, 0, 0, random.choice(&[1, 2])]);
    packet.extend(options);
    packet.extend_from_slice(content);
    packet
}

fn ipv6(random: &mut Random, protocol: u8, content: &[u8]) -> Vec<u8> {
    let mut next = protocol;
    let mut extensions = Vec::new();
    if random.one_in(4) {
        for _ in 0..random.within(1..12) {
            let words = random.choice(&[0, 0, 1, 2, 255]);
            let header = [
                &[next, words][..],
                &[0; 6],
                &vec![0; usize::from(words) * 8],
            ]
            .concat();
            next = random.choice(EXTENSIONS);
            // A chain that is longer than the packet.
            let header = &header[..header.len().min(200)];
            extensions.splice(0..0, header.iter().copied());
        }
    }
    let bytes = (extensions.len() + content.len()) as u16;
    let length = match random.one_in(5) {
        true => random.choice(&[0, 1, bytes.wrapping_sub(1), bytes + 1, 0xffff]),
        false => bytes,
    };
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[next, 64]);
    let [mut from, mut to] = [[0; 16], [0; 16]];
    from[15] = 1;
    to[15] = random.choice(&[1, 2]);
    packet.extend_from_slice(&from);
    packet.extend_from_slice(&to);
    packet.extend(extensions);
    packet.extend_from_slice(content);
    packet
}

fn tcp(random: &mut Random) -> Vec<u8> {
    let words = match random.one_in(8) {
        true => random.within(0..16),
        false => 5,
    };
    let flags = match random.one_in(3) {
        true => random.byte(),
        // SYN, SYN-ACK, ACK, PSH-ACK, FIN-ACK, RST.
        false => random.choice(&[0x02, 0x12, 0x10, 0x18, 0x18, 0x18, 0x11, 0x04]),
    };
    let ports = usize::from(PORTS.start)..usize::from(PORTS.end);
    let [source, destination] = [random.within(ports.clone()), random.within(ports)];
    let sequence = match random.one_in(4) {
        true => random.number() as u32,
        false => SEQUENCE + random.within(0..64) as u32,
    };
    let window = random.choice(&[0, 1, 0xffff, 502]);
    let mut segment = Vec::new();
    for port in [source, destination] {
        segment.extend_from_slice(&(port as u16).to_be_bytes());
    }
    segment.extend_from_slice(&sequence.to_be_bytes());
    segment.extend_from_slice(&(SEQUENCE + random.within(0..64) as u32).to_be_bytes());
    segment.extend_from_slice(&[(words as u8) << 4, flags]);
    segment.extend_from_slice(&u16::to_be_bytes(window));
    segment.extend_from_slice(&[0; 4]);
    let options = (words * 4).saturating_sub(20);
    segment.extend(random.bytes(options));
    segment.extend(payload(random));
    segment
}

fn udp(random: &mut Random, port: u16, content: &[u8]) -> Vec<u8> {
    let length = match random.one_in(4) {
        true => random.word(),
        false => 8 + content.len() as u16,
    };
    let header = [40_000, port, length, 0].map(u16::to_be_bytes).concat();
    [&header, content].concat()
}
