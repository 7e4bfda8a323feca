//! Tables of iptables' legacy back end, through getsockopt(2). In: a table's name. Out: its entries as
//! the kernel has them, which it does not look into.
//!
//! Asking for a table makes the kernel register it, and load its module, where nobody uses it; so the
//! list of the registered ones is read first. Needs CAP_NET_ADMIN (kernel: do_ipt_get_ctl).

use std::{
    fs, io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES, the same for IPv6 (ip_tables.h: IPT_BASE_CTL).
const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;
/// struct ipt_getinfo: char name[32]; u32 valid_hooks, hook_entry[5], underflow[5], num_entries, size.
const INFO_BYTES: usize = 84;
const SIZE_AT: usize = 80;
/// struct ipt_get_entries: char name[32]; u32 size; then, aligned to eight bytes, the entries.
const NAME_BYTES: usize = 32;
const ENTRIES_AT: usize = 40;
/// Most that is read of one table. 5,000 services with two endpoints each have 25 MB.
const MAX_BYTES: usize = 256 << 20;
/// How often a table that changes between two questions is asked for again.
const ATTEMPTS: usize = 5;

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// The list of tables cannot be read.
    #[error("read {path}")]
    Names {
        /// The file.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel said no.
    #[error("read table {table}: it takes CAP_NET_ADMIN in the node's network namespace")]
    Refused {
        /// The table.
        table: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// It changed each time between the question for its size and the one for its entries.
    #[error("table {0} changes all the time")]
    Changed(String),
    /// Larger than any kube-proxy's.
    #[error("table {0} is larger than {limit} MiB", limit = MAX_BYTES >> 20)]
    TooLarge(String),
}

/// What the kernel says of a table without showing its entries: sizes and offsets, no counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableInfo([u8; INFO_BYTES]);

impl TableInfo {
    fn entries_bytes(&self) -> usize {
        let size = self.0.get(SIZE_AT..).and_then(<[u8]>::first_chunk);
        size.map_or(0, |size| u32::from_ne_bytes(*size) as usize)
    }
}

/// The tables of one address family, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct LegacyIptables {
    socket: OwnedFd,
    level: libc::c_int,
    names: &'static str,
}

impl LegacyIptables {
    /// Opens the socket that is asked.
    ///
    /// # Errors
    ///
    /// When there can be no such socket, as on a node without IPv6.
    pub fn open(is_ipv6: bool) -> io::Result<Self> {
        let (family, level, names) = if is_ipv6 {
            let names = "/proc/thread-self/net/ip6_tables_names";
            (AddressFamily::Inet6, libc::SOL_IPV6, names)
        } else {
            let names = "/proc/thread-self/net/ip_tables_names";
            (AddressFamily::Inet, libc::SOL_IP, names)
        };
        // Any socket of the family will do; a datagram one takes no capability.
        let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self {
            socket,
            level,
            names,
        })
    }

    /// Whether somebody uses the table. Where the kernel has no legacy iptables, nobody does.
    ///
    /// # Errors
    ///
    /// When the list of tables is there and cannot be read.
    pub fn is_registered(&self, table: &str) -> Result<bool, LegacyError> {
        match fs::read_to_string(self.names) {
            Ok(names) => Ok(names.lines().any(|name| name == table)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(LegacyError::Names {
                path: self.names,
                source,
            }),
        }
    }

    /// What the kernel says of a table. Two that differ mean that it changed; two that are the same
    /// do not mean that it did not.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn info(&self, table: &str) -> Result<TableInfo, LegacyError> {
        let mut info = [0; INFO_BYTES];
        named(&mut info, table);
        self.ask(GET_INFO, &mut info, table)?;
        Ok(TableInfo(info))
    }

    /// The entries, and what the kernel said of the table just before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or the table changes faster than it can be read.
    pub fn entries(&self, table: &str) -> Result<(TableInfo, Vec<u8>), LegacyError> {
        for _ in 0..ATTEMPTS {
            let info = self.info(table)?;
            let bytes = info.entries_bytes();
            if bytes > MAX_BYTES {
                return Err(LegacyError::TooLarge(table.to_owned()));
            }
            let mut answer = vec![0; ENTRIES_AT + bytes];
            named(&mut answer, table);
            if let (Some(size), Ok(bytes)) = (
                answer.get_mut(NAME_BYTES..NAME_BYTES + 4),
                u32::try_from(bytes),
            ) {
                size.copy_from_slice(&bytes.to_ne_bytes());
            }
            match self.ask(GET_ENTRIES, &mut answer, table) {
                Ok(()) => {
                    answer.drain(..ENTRIES_AT);
                    return Ok((info, answer));
                }
                // kernel: get_entries returns EAGAIN when the size is not the table's.
                Err(LegacyError::Refused {
                    source: Errno::EAGAIN,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(LegacyError::Changed(table.to_owned()))
    }

    fn ask(&self, option: libc::c_int, buffer: &mut [u8], table: &str) -> Result<(), LegacyError> {
        let mut bytes = libc::socklen_t::try_from(buffer.len()).unwrap_or(libc::socklen_t::MAX);
        // SAFETY: the kernel reads and writes at most `bytes` of the buffer, which is as long, and the
        // socket is open for as long as `self` is.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                self.level,
                option,
                buffer.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        Errno::result(result).map_err(|source| LegacyError::Refused {
            table: table.to_owned(),
            source,
        })?;
        Ok(())
    }
}

/// Writes the table's name where both structures have it; one that is too long is cut before its NUL.
fn named(buffer: &mut [u8], table: &str) {
    let room = buffer.iter_mut().take(NAME_BYTES - 1);
    room.zip(table.as_bytes())
        .for_each(|(to, from)| *to = *from);
}
