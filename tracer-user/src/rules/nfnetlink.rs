//! Reads from the kernel's nf_tables. In: the name of a table, chain or set. Out: the kernel's
//! messages as type and payload, undecoded. Needs CAP_NET_ADMIN (kernel: nfnetlink_rcv). Changes
//! nothing.

use netlink_packet_core::{DefaultNla, Emitable as _, NLM_F_DUMP};
use nix::{errno::Errno, sys::socket::SockProtocol};

use crate::netlink::{Netlink, NetlinkError};

/// NFNL_SUBSYS_NFTABLES << 8.
const SUBSYSTEM: u16 = 10 << 8;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const GET_GENERATION: u16 = SUBSYSTEM | 16;
/// NFPROTO_UNSPEC, NFPROTO_IPV4, NFPROTO_IPV6.
const ANY_FAMILY: u8 = 0;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// struct nfgenmsg: family, version, resource id.
const FAMILY_HEADER: [u8; 3] = [0; 3];
/// The bound of one dump. The rules of 5,000 services with two endpoints each are 20 MB.
const MAX_DUMP_BYTES: usize = 512 << 20;

/// A request socket to nf_tables, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Nfnetlink(Netlink);

/// A request: get a chain, rules, elements or the generation.
struct Request<'q> {
    kind: u16,
    family: u8,
    flags: u16,
    /// Attributes: type and string.
    names: &'q [(u16, &'q str)],
}

impl Nfnetlink {
    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// When the kernel lacks nfnetlink.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = Netlink::open(SockProtocol::NetlinkNetFilter, MAX_DUMP_BYTES)?;
        Ok(Self(socket))
    }

    /// The generation: a number that changes with every change of any rule in this namespace, and
    /// with nothing else.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer or refuses.
    pub fn generation(&mut self) -> Result<u32, NetlinkError> {
        let mut generation = None;
        let request = Request {
            kind: GET_GENERATION,
            family: ANY_FAMILY,
            flags: 0,
            names: &[],
        };
        self.send(&request, &mut |_, payload| {
            // After struct nfgenmsg, NFTA_GEN_ID is the first attribute.
            let number = payload.get(8..).and_then(<[u8]>::first_chunk);
            generation = number.map(|number| u32::from_be_bytes(*number));
        })?;
        generation.ok_or(NetlinkError::Malformed)
    }

    /// Whether the chain exists.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer, or refuses with another error than ENOENT.
    pub fn has_chain(
        &mut self,
        is_ipv6: bool,
        table: &str,
        chain: &str,
    ) -> Result<bool, NetlinkError> {
        let request = Request {
            kind: GET_CHAIN,
            family: family(is_ipv6),
            flags: 0,
            // NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME
            names: &[(1, table), (3, chain)],
        };
        match self.send(&request, &mut |_, _| {}) {
            Ok(()) => Ok(true),
            Err(NetlinkError::Refused(Errno::ENOENT)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Passes all rules of a table to `each` as type and payload.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Changed`] when they have to be read again.
    pub fn rules(
        &mut self,
        is_ipv6: bool,
        table: &str,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        let request = Request {
            kind: GET_RULE,
            family: family(is_ipv6),
            flags: NLM_F_DUMP,
            // NFTA_RULE_TABLE
            names: &[(1, table)],
        };
        self.send(&request, each)
    }

    /// Passes all elements of a set to `each` as type and payload.
    ///
    /// # Errors
    ///
    /// [`NetlinkError::Changed`] when they have to be read again.
    pub fn elements(
        &mut self,
        is_ipv6: bool,
        table: &str,
        set: &str,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        let request = Request {
            kind: GET_ELEMENTS,
            family: family(is_ipv6),
            flags: NLM_F_DUMP,
            // NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET
            names: &[(1, table), (2, set)],
        };
        self.send(&request, each)
    }

    fn send(
        &mut self,
        request: &Request<'_>,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        let body = request.body();
        self.0.request(request.kind, request.flags, &body, each)
    }
}

impl Request<'_> {
    /// struct nfgenmsg, then the names.
    fn body(&self) -> Vec<u8> {
        let attributes: Vec<DefaultNla> = self
            .names
            .iter()
            .map(|(kind, name)| DefaultNla::new(*kind, [name.as_bytes(), b"\0"].concat()))
            .collect();
        let attributes = &attributes[..];
        let header = 1 + FAMILY_HEADER.len();
        let mut body = vec![0; header + attributes.buffer_len()];
        body[0] = self.family;
        attributes.emit(&mut body[header..]);
        body
    }
}

fn family(is_ipv6: bool) -> u8 {
    if is_ipv6 { IPV6 } else { IPV4 }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{NLM_F_REQUEST, NetlinkBuffer};

    use super::*;
    use crate::netlink::request_message;

    #[test]
    fn a_request_carries_its_names() {
        let request = Request {
            kind: GET_CHAIN,
            family: IPV6,
            flags: NLM_F_DUMP,
            names: &[(1, "nat"), (3, "KUBE-SERVICES")],
        };
        let bytes = request_message(request.kind, request.flags, 9, &request.body());
        let message = NetlinkBuffer::new_checked(&bytes[..]).unwrap();
        assert_eq!(message.flags(), NLM_F_REQUEST | NLM_F_DUMP);
        assert_eq!(
            (message.message_type(), message.sequence_number()),
            (GET_CHAIN, 9)
        );
        let expected = b"\x0a\0\0\0\x08\0\x01\0nat\0\x12\0\x03\0KUBE-SERVICES\0\0\0";
        assert_eq!(message.payload(), expected);
    }
}
