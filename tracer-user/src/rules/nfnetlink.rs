//! Questions to the kernel's nf_tables. In: the name of a table, chain or set. Out: the kernel's
//! messages, which it does not look into.
//!
//! A dump comes in many messages; when the rules change in the middle of it, the kernel says so and the
//! answer is worth nothing. Needs CAP_NET_ADMIN (kernel: nfnetlink_rcv), and changes nothing.

use std::io;

use netlink_packet_core::{DefaultNla, Emitable as _, NLM_F_DUMP};
use nix::{errno::Errno, sys::socket::SockProtocol};

use crate::netlink::{self, Netlink};

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
/// Most that one dump may bring. The rules of 5,000 services with two endpoints each are 20 MB.
const MAX_DUMP_BYTES: usize = 512 << 20;
/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum NfnetlinkError {
    /// The socket failed.
    #[error("talk to nf_tables through netlink")]
    Socket(#[source] io::Error),
    /// The kernel said no.
    #[error("ask nf_tables: {0}; it takes CAP_NET_ADMIN in the node's network namespace")]
    Refused(#[source] Errno),
    /// The rules changed while they were read.
    #[error("nf_tables' rules changed while they were read")]
    Changed,
    /// Not what netlink(7) says.
    #[error("an answer of nf_tables is not well formed")]
    Malformed,
    /// More than any kube-proxy writes.
    #[error("a table of nf_tables is larger than {} MiB", MAX_DUMP_BYTES >> 20)]
    TooLarge,
}

impl From<netlink::Failure> for NfnetlinkError {
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

/// A socket to nf_tables, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Nfnetlink(Netlink);

/// What is asked.
struct Question<'q> {
    kind: u16,
    family: u8,
    flags: u16,
    /// Strings by the number of their attribute.
    names: &'q [(u16, &'q str)],
}

impl Nfnetlink {
    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// When the kernel has no nfnetlink.
    pub fn open() -> Result<Self, NfnetlinkError> {
        let socket = Netlink::open(SockProtocol::NetlinkNetFilter, MAX_DUMP_BYTES)?;
        Ok(Self(socket))
    }

    /// A number that changes with every change of any rule in this namespace, and with nothing else.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer or refuses.
    pub fn generation(&mut self) -> Result<u32, NfnetlinkError> {
        let mut generation = None;
        let question = Question {
            kind: GET_GENERATION,
            family: ANY_FAMILY,
            flags: 0,
            names: &[],
        };
        self.ask(&question, &mut |_, payload| {
            // After struct nfgenmsg, NFTA_GEN_ID is the first attribute.
            let number = payload.get(8..).and_then(<[u8]>::first_chunk);
            generation = number.map(|number| u32::from_be_bytes(*number));
        })?;
        generation.ok_or(NfnetlinkError::Malformed)
    }

    /// Whether there is such a chain.
    ///
    /// # Errors
    ///
    /// When the kernel does not answer, or refuses for another reason than that there is none.
    pub fn has_chain(
        &mut self,
        is_ipv6: bool,
        table: &str,
        chain: &str,
    ) -> Result<bool, NfnetlinkError> {
        let question = Question {
            kind: GET_CHAIN,
            family: family(is_ipv6),
            flags: 0,
            // NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME
            names: &[(1, table), (3, chain)],
        };
        match self.ask(&question, &mut |_, _| {}) {
            Ok(()) => Ok(true),
            Err(NfnetlinkError::Refused(Errno::ENOENT)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All rules of a table, to `each` as kind and payload.
    ///
    /// # Errors
    ///
    /// `Changed` when they must be read again.
    pub fn rules(
        &mut self,
        is_ipv6: bool,
        table: &str,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NfnetlinkError> {
        let question = Question {
            kind: GET_RULE,
            family: family(is_ipv6),
            flags: NLM_F_DUMP,
            // NFTA_RULE_TABLE
            names: &[(1, table)],
        };
        self.ask(&question, each)
    }

    /// All elements of a set, to `each` as kind and payload.
    ///
    /// # Errors
    ///
    /// `Changed` when they must be read again.
    pub fn elements(
        &mut self,
        is_ipv6: bool,
        table: &str,
        set: &str,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NfnetlinkError> {
        let question = Question {
            kind: GET_ELEMENTS,
            family: family(is_ipv6),
            flags: NLM_F_DUMP,
            // NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET
            names: &[(1, table), (2, set)],
        };
        self.ask(&question, each)
    }

    fn ask(
        &mut self,
        question: &Question<'_>,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NfnetlinkError> {
        let body = question.body();
        Ok(self.0.ask(question.kind, question.flags, &body, each)?)
    }
}

impl Question<'_> {
    /// struct nfgenmsg and the names.
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
mod tests;
