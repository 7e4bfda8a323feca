//! Reads kube-proxy's rules from the kernel, in every form that it writes. In: sockets, of the network
//! namespace in which the thread runs. Out: [`Rules`]. Starts no program.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use nix::errno::Errno;
use tracer_pipeline::kube_proxy::{Family, Findings, KUBE_PROXY_TABLE, NfTables, Rules};

use super::{
    change_notifications::RuleChanges,
    legacy_iptables::{LegacyError, LegacyIptables, TableInfo},
    nfnetlink::{Nfnetlink, NfnetlinkError},
    state::Mode,
};

/// How often a dump that was overtaken by a change is begun again, and how long it is waited before the
/// first time; each further pause is twice as long.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The tables of iptables that kube-proxy writes to.
const NAT: &str = "nat";
const FILTER: &str = "filter";
/// The chains by which kube-proxy's rules are known: of its iptables and its nftables mode.
const IPTABLES_CHAIN: &str = "KUBE-SERVICES";
const NFTABLES_CHAIN: &str = "services";

/// Why the rules could not be read. What was read before stays.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Those in nf_tables.
    #[error(transparent)]
    NfTables(#[from] NfnetlinkError),
    /// Those of the legacy back end.
    #[error(transparent)]
    Legacy(#[from] LegacyError),
    /// No socket.
    #[error("open a socket for the legacy tables of iptables")]
    Socket(#[from] io::Error),
}

impl ReadError {
    /// With all causes, in one line.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:#}", anyhow::Error::from(self))
    }
}

/// What to read though the kernel does not say that it has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anyway {
    /// nf_tables, though its generation is the same: for after a notification, because the generation
    /// is counted before a change is complete.
    pub nf_tables: bool,
    /// The legacy tables, which can change while their sizes stay the same.
    pub legacy: bool,
}

/// What was read from one place.
#[derive(Debug, Default)]
struct Part {
    rules: Rules,
    findings: Findings,
    modes: Vec<Mode>,
}

/// Remembers what it read, and reads again what has changed.
#[derive(Debug, Default)]
pub struct Reader {
    nf_tables: NfTablesReader,
    legacy: [LegacyReader; 2],
}

impl Reader {
    /// A reader that also listens to nf_tables' notifications, without which it cannot tell rules that
    /// were read in the middle of a change from others.
    ///
    /// # Errors
    ///
    /// When the kernel has none; [`Self::default`] makes a reader that does without.
    pub fn listening() -> io::Result<Self> {
        let mut reader = Self::default();
        reader.nf_tables.changes = Some(RuleChanges::listen()?);
        Ok(reader)
    }

    /// Whether it hears of changes.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.nf_tables.changes.is_some()
    }

    /// Waits until nf_tables tells of a change that may be kube-proxy's, or until `deadline`; true
    /// when it did. A reader that does not listen waits until then.
    ///
    /// # Errors
    ///
    /// When the socket fails; the reader does not listen any more.
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

    /// Reads; true when something may have changed.
    ///
    /// # Errors
    ///
    /// The first place that could not be read; the others were.
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

    /// The rules as last read, and what was wrong with them. Where kube-proxy left rules of another
    /// mode behind, those of its nftables mode come first, then those in nf_tables.
    #[must_use]
    pub fn rules(&self) -> (Rules, Findings) {
        let (mut rules, mut findings) = (Rules::default(), Findings::default());
        for part in self.parts() {
            rules.extend(part.rules.clone());
            findings.extend(&part.findings);
        }
        (rules, findings)
    }

    /// The forms that were found.
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
    fn read(&mut self, anyway: bool) -> Result<bool, NfnetlinkError> {
        match self.read_if_changed(anyway) {
            // A kernel without nf_tables has none of its rules.
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => {
                // Whatever is wrong with the socket is not with the next.
                self.socket = None;
                Err(error)
            }
            read => read,
        }
    }

    fn read_if_changed(&mut self, anyway: bool) -> Result<bool, NfnetlinkError> {
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
            // One dump says when it was overtaken. That all are of one state, and that this one is
            // complete, only these do.
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
                // A table or set that was there is gone.
                Ok(_) | Err(NfnetlinkError::Changed | NfnetlinkError::Refused(Errno::ENOENT)) => {}
                Err(error) => return Err(error),
            }
            thread::sleep(pause);
            pause *= 2;
            generation = socket.generation()?;
        }
        Err(NfnetlinkError::Changed)
    }
}

/// Without notifications nothing is known of it. A socket that failed shows that to who waits on it.
fn overtook(changes: &mut Option<RuleChanges>, generation: u32) -> bool {
    let overtook = changes.as_mut().map(|changes| changes.overtook(generation));
    overtook.is_some_and(|overtook| overtook.unwrap_or(false))
}

/// Reads kube-proxy's tables from nf_tables. Each message also goes to `tap`, as kind and payload.
///
/// # Errors
///
/// When the kernel refuses, or the rules changed meanwhile.
pub fn dump(
    socket: &mut Nfnetlink,
    tap: &mut impl FnMut(u16, &[u8]),
) -> Result<(NfTables, Vec<Mode>), NfnetlinkError> {
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

/// Whether the kernel has no nf_tables, or no nfnetlink at all.
fn is_absent(error: &NfnetlinkError) -> bool {
    match error {
        NfnetlinkError::Refused(errno) => matches!(errno, Errno::EINVAL | Errno::EOPNOTSUPP),
        NfnetlinkError::Socket(error) => {
            error.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32)
        }
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
                // A node without IPv6.
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
