//! Reads tables of iptables' legacy back end by getsockopt(2). In: a table's name. Out: the table's
//! entries as the kernel's bytes, undecoded.
//!
//! Reading a table that is not in use makes the kernel load its module and register it. So the list
//! of registered tables is read first. Needs CAP_NET_ADMIN (kernel: do_ipt_get_ctl).

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
/// struct ipt_getinfo: char name[32]; u32 valid_hooks, hook_entry[5], underflow[5], num_entries,
/// size.
const INFO_BYTES: usize = 84;
const SIZE_AT: usize = 80;
/// struct ipt_get_entries: char name[32]; u32 size; then, aligned to eight bytes, the entries.
const NAME_BYTES: usize = 32;
const ENTRIES_AT: usize = 40;
/// The bound of one table. The rules of 5,000 services with two endpoints each are 25 MB.
const MAX_BYTES: usize = 256 << 20;
/// How often a table is read before a change that overtakes each attempt is an error.
const ATTEMPTS: usize = 5;

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// The list of tables cannot be read.
    #[error("read {path}")]
    Names {
        /// The file.
        path: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The kernel refuses the request.
    #[error("read table {table} (needs CAP_NET_ADMIN in the node's network namespace)")]
    Refused {
        /// The table.
        table: String,
        /// The cause.
        #[source]
        source: Errno,
    },
    /// At each attempt the table changed between the requests for its size and for its entries.
    #[error("table {0} changed at each attempt to read it")]
    Changed(String),
    /// The table is larger than the bound.
    #[error("table {0} is larger than {limit} MiB", limit = MAX_BYTES >> 20)]
    TooLarge(String),
}

/// The kernel's summary of a table: sizes and offsets, no entries and no counters.
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
    /// Opens a socket of the address family.
    ///
    /// # Errors
    ///
    /// When the kernel lacks the family, as on a node without IPv6.
    pub fn open(is_ipv6: bool) -> io::Result<Self> {
        let (family, level, names) = if is_ipv6 {
            let names = "/proc/thread-self/net/ip6_tables_names";
            (AddressFamily::Inet6, libc::SOL_IPV6, names)
        } else {
            let names = "/proc/thread-self/net/ip_tables_names";
            (AddressFamily::Inet, libc::SOL_IP, names)
        };
        // Any socket of the family serves; a datagram socket takes no capability.
        let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Self {
            socket,
            level,
            names,
        })
    }

    /// Whether the table is in use. False on a kernel without legacy iptables.
    ///
    /// # Errors
    ///
    /// When the list of tables exists and cannot be read.
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

    /// The summary of a table. A table whose summary differs has changed; a table whose summary is
    /// the same may have changed too.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn info(&self, table: &str) -> Result<TableInfo, LegacyError> {
        let mut info = [0; INFO_BYTES];
        write_name(&mut info, table);
        self.get(GET_INFO, &mut info, table)?;
        Ok(TableInfo(info))
    }

    /// The entries of a table, and the summary that was read just before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, or the table changes at each attempt.
    pub fn entries(&self, table: &str) -> Result<(TableInfo, Vec<u8>), LegacyError> {
        for _ in 0..ATTEMPTS {
            let info = self.info(table)?;
            let bytes = info.entries_bytes();
            if bytes > MAX_BYTES {
                return Err(LegacyError::TooLarge(table.to_owned()));
            }
            let mut answer = vec![0; ENTRIES_AT + bytes];
            write_name(&mut answer, table);
            if let (Some(size), Ok(bytes)) = (
                answer.get_mut(NAME_BYTES..NAME_BYTES + 4),
                u32::try_from(bytes),
            ) {
                size.copy_from_slice(&bytes.to_ne_bytes());
            }
            match self.get(GET_ENTRIES, &mut answer, table) {
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

    fn get(&self, option: libc::c_int, buffer: &mut [u8], table: &str) -> Result<(), LegacyError> {
        let mut bytes = libc::socklen_t::try_from(buffer.len()).unwrap_or(libc::socklen_t::MAX);
        // SAFETY: the kernel reads and writes at most `bytes` bytes, the length of the buffer, and
        // the socket is open as long as `self` lives.
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

/// Writes the table's name at the start of the buffer, where both structures have it, cut to the
/// field's length without its NUL.
fn write_name(buffer: &mut [u8], table: &str) {
    let room = buffer.iter_mut().take(NAME_BYTES - 1);
    room.zip(table.as_bytes())
        .for_each(|(to, from)| *to = *from);
}
