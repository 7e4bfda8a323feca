//! A full conntrack table: the kernel drops packets without a rule.
//!
//! In: a node. Out: as many entries in the table of its namespace as the machine allows each
//! namespace, so that the kernel drops packets that need another entry. The limit
//! (nf_conntrack_max) is the machine's and stays as it is; the count is the namespace's own.
//! Entries are made through ctnetlink, with documentation addresses (RFC 5737). They are ASSURED,
//! so that the kernel does not evict them for new ones (kernel: early_drop).

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use crate::node::Node;

/// An entry takes some 320 bytes of the kernel's memory: 340 MB at most.
const MAX_ENTRIES: u32 = 1 << 20;
/// Messages in one write.
const BATCH: usize = 256;
/// The connmark of the entries, by which they and no others are removed.
const MARK: u32 = 0x686f_7073;
/// Seconds until the entries expire by themselves.
const TIMEOUT_S: u32 = 600;

// kernel: include/uapi/linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h.
const CT_NEW: u16 = 1 << 8;
const CT_DELETE: u16 = (1 << 8) | 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_TIMEOUT: u16 = 7;
const CTA_MARK: u16 = 8;
const CTA_MARK_MASK: u16 = 21;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
/// IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED.
const STATUS: u32 = 0xe;
const UDP: u8 = 17;
// kernel: include/uapi/linux/netlink.h.
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NESTED: u16 = 0x8000;
const AF_INET: u8 = 2;

/// Keeps the table full until it is dropped, which removes its entries.
#[must_use]
#[derive(Debug)]
pub struct FullConntrack {
    node: Node,
    entries: u32,
}

impl FullConntrack {
    pub(super) fn fill(node: &Node, spare: u32) -> Result<Self> {
        let entries = node
            .within(|| add_entries(spare))?
            .context("fill the conntrack table")?;
        Ok(Self {
            node: node.clone(),
            entries,
        })
    }

    /// How many entries the table had when it was full.
    pub fn entries(&self) -> u32 {
        self.entries
    }
}

impl Drop for FullConntrack {
    fn drop(&mut self) {
        let removed = self.node.within(remove_entries).and_then(|removed| removed);
        if let Err(error) = removed {
            eprintln!("the conntrack table stays full until the lab is removed: {error:#}");
        }
    }
}

/// Fills the table of the calling thread's namespace and returns how many entries it has.
fn add_entries(spare: u32) -> Result<u32> {
    let limit = sysctl("nf_conntrack_max")?;
    ensure!(
        limit <= MAX_ENTRIES,
        "nf_conntrack_max is {limit}: the lab fills tables of at most {MAX_ENTRIES} entries"
    );
    let goal = limit.saturating_sub(spare);
    let wanted = goal.saturating_sub(sysctl("nf_conntrack_count")?);
    let socket = open()?;
    let all: Vec<u32> = (0..wanted).collect();
    for indexes in all.chunks(BATCH) {
        let entries = indexes.iter().map(|index| entry(*index));
        let new = entries.map(|entry| message(CT_NEW, NLM_F_REQUEST | NLM_F_CREATE, &entry));
        write(&socket, &new.collect::<Vec<_>>().concat())?;
    }
    let entries = sysctl("nf_conntrack_count")?;
    ensure!(
        entries >= goal,
        "the table has {entries} entries of {limit}: the kernel needs CONFIG_NF_CT_NETLINK"
    );
    Ok(entries)
}

fn remove_entries() -> Result<()> {
    let mut attributes = attribute(CTA_MARK, &MARK.to_be_bytes());
    attributes.extend(attribute(CTA_MARK_MASK, &u32::MAX.to_be_bytes()));
    remove(&attributes)
}

/// Removes the entries with these attributes.
fn remove(attributes: &[u8]) -> Result<()> {
    let socket = open()?;
    write(
        &socket,
        &message(CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, attributes),
    )?;
    // The kernel answers when it has removed all of them.
    let mut answer = [0; 512];
    recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())
        .context("wait until the kernel has removed them")?;
    Ok(())
}

/// Removes every entry for IPv4 from the table of the calling thread's namespace.
pub(super) fn flush() -> Result<()> {
    remove(&[])
}

fn open() -> Result<OwnedFd> {
    socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkNetFilter,
    )
    .context("open a netlink socket for netfilter")
}

fn write(socket: &OwnedFd, messages: &[u8]) -> Result<()> {
    send(socket.as_raw_fd(), messages, MsgFlags::empty()).context("write to conntrack")?;
    Ok(())
}

fn sysctl(name: &str) -> Result<u32> {
    let path = format!("/proc/sys/net/netfilter/{name}");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let number = text.trim().parse();
    number.with_context(|| format!("{path} holds {text:?}"))
}

/// The attributes of one entry: each index makes another connection.
fn entry(index: u32) -> Vec<u8> {
    const PORTS: u32 = 60_000;
    let source = [192, 0, 2, 1];
    let destination = [198, 51, 100, u8::try_from(1 + index / PORTS).unwrap_or(255)];
    let port = u16::try_from(1 + index % PORTS).unwrap_or(u16::MAX);
    let mut attributes = tuple(CTA_TUPLE_ORIG, (source, port), (destination, 9));
    attributes.extend(tuple(CTA_TUPLE_REPLY, (destination, 9), (source, port)));
    attributes.extend(attribute(CTA_STATUS, &STATUS.to_be_bytes()));
    attributes.extend(attribute(CTA_TIMEOUT, &TIMEOUT_S.to_be_bytes()));
    attributes.extend(attribute(CTA_MARK, &MARK.to_be_bytes()));
    attributes
}

type End = ([u8; 4], u16);

fn tuple(kind: u16, source: End, destination: End) -> Vec<u8> {
    let addresses = [
        attribute(CTA_IP_V4_SRC, &source.0),
        attribute(CTA_IP_V4_DST, &destination.0),
    ];
    let transport = [
        attribute(CTA_PROTO_NUM, &[UDP]),
        attribute(CTA_PROTO_SRC_PORT, &source.1.to_be_bytes()),
        attribute(CTA_PROTO_DST_PORT, &destination.1.to_be_bytes()),
    ];
    let parts = [
        attribute(CTA_TUPLE_IP | NESTED, &addresses.concat()),
        attribute(CTA_TUPLE_PROTO | NESTED, &transport.concat()),
    ];
    attribute(kind | NESTED, &parts.concat())
}

/// A netlink attribute (kernel: struct nlattr), padded to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A message (kernel: struct nlmsghdr and struct nfgenmsg).
fn message(kind: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(20 + attributes.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // No sequence number and no port id.
    bytes.extend([0; 8]);
    bytes.extend([AF_INET, 0, 0, 0]);
    bytes.extend(attributes);
    bytes
}
