//! Reads kube-proxy's rules from the kernel, in every form that kube-proxy writes. In: sockets in
//! the network namespace of the thread. Out: [`Rules`]. Starts no program.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use tracer_pipeline::kube_proxy::{Family, Findings, KUBE_PROXY_TABLE, NfTables, Rules};

use crate::{error_chain::error_chain, netlink::NetlinkError};

use super::{
    change_notifications::RuleChanges,
    legacy_iptables::{LegacyError, LegacyIptables, TableInfo},
    nfnetlink::Nfnetlink,
    state::Mode,
};

/// How often the rules are dumped before a change that overtakes each dump is an error.
const ATTEMPTS: u32 = 5;
/// The pause after the first dump that was overtaken. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The tables of iptables that kube-proxy writes to.
const NAT: &str = "nat";
const FILTER: &str = "filter";
/// A chain that only kube-proxy makes, in its iptables mode and in its nftables mode.
const IPTABLES_CHAIN: &str = "KUBE-SERVICES";
const NFTABLES_CHAIN: &str = "services";

/// Why the rules could not be read. The rules of the reading before stay.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The rules in nf_tables.
    #[error("read rules from nf_tables (needs CAP_NET_ADMIN in the node's network namespace)")]
    NfTables(#[from] NetlinkError),
    /// The rules of the legacy back end.
    #[error(transparent)]
    Legacy(#[from] LegacyError),
    /// The legacy back end has no socket.
    #[error("open a socket for the legacy tables of iptables")]
    Socket(#[from] io::Error),
}

impl ReadError {
    /// The error and all causes, in one line.
    #[must_use]
    pub fn text(self) -> String {
        error_chain(&self)
    }
}

/// What to read even when the kernel reports no change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anyway {
    /// nf_tables, though its generation is the same. Set after a notification, because the kernel
    /// increments the generation before a change is complete.
    pub nf_tables: bool,
    /// The legacy tables, which can change while their sizes stay the same.
    pub legacy: bool,
}

/// The rules of one source: nf_tables, or one address family of the legacy back end.
#[derive(Debug, Default)]
struct Part {
    rules: Rules,
    findings: Findings,
    modes: Vec<Mode>,
}

/// Reads the rules, and at later calls those that have changed.
#[derive(Debug, Default)]
pub struct Reader {
    nf_tables: NfTablesReader,
    legacy: [LegacyReader; 2],
}

impl Reader {
    /// A reader that receives nf_tables' notifications. By them it recognises rules that were read
    /// while a change was under way. [`Self::default`] is a reader without notifications.
    ///
    /// # Errors
    ///
    /// When the kernel sends no notifications.
    pub fn with_notifications() -> io::Result<Self> {
        let mut reader = Self::default();
        reader.nf_tables.changes = Some(RuleChanges::listen()?);
        Ok(reader)
    }

    /// Whether the reader receives notifications.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.nf_tables.changes.is_some()
    }

    /// Waits for a notification of a change that may be kube-proxy's; false when `deadline` passes
    /// first. Without notifications it waits until `deadline`.
    ///
    /// # Errors
    ///
    /// When the socket fails. The reader then goes on without notifications.
    pub fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(changes) = &mut self.nf_tables.changes else {
                thread::sleep(left);
                return Ok(false);
            };
            match changes.wait(left) {
                Ok(false) if !left.is_zero() => {}
                Ok(changed) => return Ok(changed),
                Err(error) => {
                    self.nf_tables.changes = None;
                    return Err(error);
                }
            }
        }
    }

    /// Reads the rules; true when they may have changed.
    ///
    /// # Errors
    ///
    /// When a source cannot be read: the error of the first. The other sources were read.
    pub fn read(&mut self, anyway: Anyway) -> Result<bool, ReadError> {
        let nf_tables = self
            .nf_tables
            .read(anyway.nf_tables)
            .map_err(ReadError::from);
        let [v4, v6] = &mut self.legacy;
        let legacy = [
            v4.read(Family::V4, anyway.legacy),
            v6.read(Family::V6, anyway.legacy),
        ];
        let mut changed = false;
        for read in [nf_tables].into_iter().chain(legacy) {
            changed |= read?;
        }
        Ok(changed)
    }

    /// The rules as last read, and the findings about them. Where kube-proxy left rules of another
    /// mode behind, the order is: its nftables mode, iptables-nft, the legacy back end.
    #[must_use]
    pub fn rules(&self) -> (Rules, Findings) {
        let (mut rules, mut findings) = (Rules::default(), Findings::default());
        for part in self.parts() {
            rules.extend(part.rules.clone());
            findings.extend(&part.findings);
        }
        (rules, findings)
    }

    /// The modes whose rules were found.
    #[must_use]
    pub fn modes(&self) -> Vec<Mode> {
        let modes = self.parts().flat_map(|part| part.modes.iter().copied());
        let mut modes: Vec<Mode> = modes.collect();
        modes.sort_unstable();
        modes.dedup();
        modes
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let legacy = self.legacy.iter().map(|legacy| &legacy.part);
        [&self.nf_tables.part].into_iter().chain(legacy)
    }
}

/// nf_tables: kube-proxy's nftables mode, and iptables-nft.
#[derive(Debug, Default)]
struct NfTablesReader {
    changes: Option<RuleChanges>,
    socket: Option<Nfnetlink>,
    generation: Option<u32>,
    part: Part,
}

impl NfTablesReader {
    fn read(&mut self, anyway: bool) -> Result<bool, NetlinkError> {
        match self.read_if_changed(anyway) {
            // A kernel without nf_tables holds no rules there.
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => {
                // The next reading opens a new socket.
                self.socket = None;
                Err(error)
            }
            read => read,
        }
    }

    fn read_if_changed(&mut self, anyway: bool) -> Result<bool, NetlinkError> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            socket => socket.insert(Nfnetlink::open()?),
        };
        let mut generation = socket.generation()?;
        if self.generation == Some(generation) && !anyway {
            return Ok(false);
        }
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let read = dump(socket, &mut |_, _| {});
            // The kernel marks a single dump that a change overtook. Whether all dumps show one
            // state, and a complete one, only the generation and the notifications show.
            let is_whole =
                socket.generation()? == generation && !overtook(&mut self.changes, generation);
            match read {
                Ok((dump, modes)) if is_whole => {
                    let (rules, findings) = dump.into_rules();
                    self.part = Part {
                        rules,
                        findings,
                        modes,
                    };
                    self.generation = Some(generation);
                    return Ok(true);
                }
                // ENOENT: a table or set was deleted between two requests.
                Ok(_) | Err(NetlinkError::Changed | NetlinkError::Refused(Errno::ENOENT)) => {}
                Err(error) => return Err(error),
            }
            thread::sleep(pause);
            pause *= 2;
            generation = socket.generation()?;
        }
        Err(NetlinkError::Changed)
    }
}

/// Whether a change overtook the dumps, as far as notifications show. An error of the socket is
/// left to [`Reader::wait`], which returns it.
fn overtook(changes: &mut Option<RuleChanges>, generation: u32) -> bool {
    let overtook = changes.as_mut().map(|changes| changes.overtook(generation));
    overtook.is_some_and(|overtook| overtook.unwrap_or(false))
}

/// Reads kube-proxy's tables from nf_tables. Passes type and payload of each message to `tap` too.
///
/// # Errors
///
/// When the kernel refuses, or the rules changed during a dump.
pub fn dump(
    socket: &mut Nfnetlink,
    tap: &mut impl FnMut(u16, &[u8]),
) -> Result<(NfTables, Vec<Mode>), NetlinkError> {
    let mut tables = NfTables::default();
    let mut modes = Vec::new();
    let mut take = |tables: &mut NfTables, kind: u16, payload: &[u8]| {
        tap(kind, payload);
        tables.message(kind, payload);
    };
    for is_ipv6 in [false, true] {
        if socket.has_chain(is_ipv6, NAT, IPTABLES_CHAIN)? {
            modes.push(Mode::IptablesNft);
            for table in [NAT, FILTER] {
                socket.rules(is_ipv6, table, &mut |kind, payload| {
                    take(&mut tables, kind, payload);
                })?;
            }
        }
        if socket.has_chain(is_ipv6, KUBE_PROXY_TABLE, NFTABLES_CHAIN)? {
            modes.push(Mode::Nftables);
            socket.rules(is_ipv6, KUBE_PROXY_TABLE, &mut |kind, payload| {
                take(&mut tables, kind, payload);
            })?;
        }
    }
    for set in tables.required_sets() {
        socket.elements(set.is_ipv6, set.table, &set.set, &mut |kind, payload| {
            take(&mut tables, kind, payload);
        })?;
    }
    Ok((tables, modes))
}

/// Whether the kernel lacks nf_tables, or nfnetlink altogether.
fn is_absent(error: &NetlinkError) -> bool {
    match error {
        NetlinkError::Refused(errno) => matches!(errno, Errno::EINVAL | Errno::EOPNOTSUPP),
        NetlinkError::Socket(error) => error.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32),
        _ => false,
    }
}

/// One address family of the legacy back end.
#[derive(Debug, Default)]
struct LegacyReader {
    socket: Option<LegacyIptables>,
    infos: Vec<TableInfo>,
    part: Part,
}

impl LegacyReader {
    fn read(&mut self, family: Family, anyway: bool) -> Result<bool, ReadError> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            socket => match LegacyIptables::open(family == Family::V6) {
                Ok(opened) => socket.insert(opened),
                // EAFNOSUPPORT: a node without IPv6.
                Err(error) if error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32) => {
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            },
        };
        if !socket.is_registered(NAT)? {
            let was_there = !self.part.modes.is_empty();
            (self.part, self.infos) = (Part::default(), Vec::new());
            return Ok(was_there);
        }
        let mut tables = vec![NAT];
        if socket.is_registered(FILTER)? {
            tables.push(FILTER);
        }
        let infos: Vec<TableInfo> = tables
            .iter()
            .map(|table| socket.info(table))
            .collect::<Result<_, _>>()?;
        if !anyway && infos == self.infos {
            return Ok(false);
        }
        let mut part = Part::default();
        let mut infos = Vec::new();
        for table in tables {
            let (info, entries) = socket.entries(table)?;
            let (rules, findings) = Rules::from_ip_tables(table, family, &entries);
            infos.push(info);
            part.rules.extend(rules);
            part.findings.extend(&findings);
        }
        if !part.rules.is_empty() || part.rules.refusal_count() > 0 {
            part.modes.push(Mode::IptablesLegacy);
        }
        let changed = self.part.rules != part.rules;
        (self.part, self.infos) = (part, infos);
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_capability_and_the_cause() {
        let text = ReadError::from(NetlinkError::Refused(Errno::EPERM)).text();
        assert!(text.contains("CAP_NET_ADMIN"), "{text}");
        assert!(text.contains("Operation not permitted"), "{text}");
    }
}
