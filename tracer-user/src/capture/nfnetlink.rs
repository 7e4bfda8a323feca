//! Questions to the kernel's nf_tables. In: the name of a table, chain or set. Out: the kernel's
//! messages, which it does not look into.
//!
//! A dump comes in many messages; when the rules change in the middle of it, the kernel says so and the
//! answer is worth nothing. Needs CAP_NET_ADMIN (kernel: nfnetlink_rcv), and changes nothing.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Duration,
};

use netlink_packet_core::{
    DefaultNla, Emitable as _, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NetlinkBuffer,
};
use nix::{
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv,
            send, setsockopt, socket, sockopt,
        },
        time::{TimeVal, TimeValLike as _},
    },
};

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
const HEADER_BYTES: usize = 16;
/// struct nfgenmsg: family, version, resource id.
const FAMILY_HEADER: [u8; 3] = [0; 3];
/// The kernel fills buffers of at most 32 KiB (kernel: netlink_recvmsg, max_recvmsg_len).
const BUFFER_BYTES: usize = 64 << 10;
/// Most that one dump may bring. The rules of 5,000 services with two endpoints each are 20 MB.
const MAX_DUMP_BYTES: usize = 512 << 20;
/// The kernel answers at once. This is for one that does not.
const ANSWER: Duration = Duration::from_secs(5);

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

/// A socket to nf_tables, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Nfnetlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

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
        let open = || -> nix::Result<OwnedFd> {
            let socket = socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkNetFilter,
            )?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
            let timeout = TimeVal::milliseconds(ANSWER.as_millis() as i64);
            setsockopt(&socket, sockopt::ReceiveTimeout, &timeout)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(socket_error)?,
            sequence: 0,
            buffer: vec![0; BUFFER_BYTES],
        })
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

    /// Sends a question and takes all of its answer, also of one that is worth nothing, so that the
    /// next finds an empty socket.
    fn ask(
        &mut self,
        question: &Question<'_>,
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<(), NfnetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = question.encode(self.sequence);
        send(self.socket.as_raw_fd(), &request, MsgFlags::empty()).map_err(socket_error)?;
        let mut answer = Answer {
            sequence: self.sequence,
            is_dump: question.flags & NLM_F_DUMP != 0,
            changed: false,
        };
        let mut total = 0;
        loop {
            let bytes = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(bytes) => bytes,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(socket_error(error)),
            };
            total += bytes;
            if total > MAX_DUMP_BYTES {
                return Err(NfnetlinkError::TooLarge);
            }
            let datagram = self.buffer.get(..bytes).unwrap_or_default();
            if answer.take(datagram, each)? {
                return if answer.changed {
                    Err(NfnetlinkError::Changed)
                } else {
                    Ok(())
                };
            }
        }
    }
}

impl Question<'_> {
    fn encode(&self, sequence: u32) -> Vec<u8> {
        let attributes: Vec<DefaultNla> = self
            .names
            .iter()
            .map(|(kind, name)| DefaultNla::new(*kind, [name.as_bytes(), b"\0"].concat()))
            .collect();
        let attributes = &attributes[..];
        let body = HEADER_BYTES + 1 + FAMILY_HEADER.len();
        let mut message = vec![0; body + attributes.buffer_len()];
        let bytes = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let mut header = NetlinkBuffer::new(&mut message);
        header.set_length(bytes);
        header.set_message_type(self.kind);
        header.set_flags(NLM_F_REQUEST | self.flags);
        header.set_sequence_number(sequence);
        message[HEADER_BYTES] = self.family;
        attributes.emit(&mut message[body..]);
        message
    }
}

/// An answer while it comes.
struct Answer {
    sequence: u32,
    is_dump: bool,
    changed: bool,
}

impl Answer {
    /// Takes one datagram; true when it was the last.
    fn take(
        &mut self,
        mut datagram: &[u8],
        each: &mut impl FnMut(u16, &[u8]),
    ) -> Result<bool, NfnetlinkError> {
        while !datagram.is_empty() {
            let message =
                NetlinkBuffer::new_checked(datagram).map_err(|_| NfnetlinkError::Malformed)?;
            let payload = message.payload();
            let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
            datagram = datagram
                .get(length.next_multiple_of(4)..)
                .unwrap_or_default();
            // What is left of a question that was given up.
            if message.sequence_number() != self.sequence {
                continue;
            }
            self.changed |= message.flags() & NLM_F_DUMP_INTR != 0;
            match message.message_type() {
                NLMSG_ERROR | NLMSG_DONE => return ended(payload).map(|()| true),
                kind => each(kind, payload),
            }
            if !self.is_dump {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Both an error and the end of a dump begin with a negative error number or 0.
fn ended(payload: &[u8]) -> Result<(), NfnetlinkError> {
    let code = payload.first_chunk().ok_or(NfnetlinkError::Malformed)?;
    match i32::from_ne_bytes(*code) {
        0 => Ok(()),
        code if code == -libc::EINTR => Err(NfnetlinkError::Changed),
        code => Err(NfnetlinkError::Refused(Errno::from_raw(
            code.checked_neg().unwrap_or(libc::EIO),
        ))),
    }
}

fn family(is_ipv6: bool) -> u8 {
    if is_ipv6 { IPV6 } else { IPV4 }
}

fn socket_error(error: Errno) -> NfnetlinkError {
    NfnetlinkError::Socket(error.into())
}

#[cfg(test)]
mod tests;
