//! Loads the kernel programs, chooses the hooks this kernel offers, and attaches them.
//!
//! In: `Options`. Out: `Attached`, which holds everything attached for as long as it lives: nothing
//! is pinned, so the end of the process, however it comes, detaches all. A hook that cannot attach
//! is named in `Attached::missing` and narrows what is seen; only the cgroup hooks are necessary.

pub mod cgroup2;
mod drop_reasons;
mod error;
mod globals;
pub mod loss;
mod netfilter;
mod offsets;
mod taps;
pub mod uplinks;

use std::{
    collections::HashMap,
    fs::File,
    os::fd::{AsFd as _, BorrowedFd},
    path::PathBuf,
};

use aya::{
    Btf, Ebpf, EbpfLoader,
    maps::Map,
    programs::{
        BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, ProgramError, SocketFilter,
    },
};
use aya_log::EbpfLogger;
use tracer_common::hook::Hook;

use crate::decode::DropReasons;

pub use error::AttachError;
pub use offsets::{NoBtf, unknown_fields};
pub use taps::TapError;

pub(crate) use error::chain;

use globals::{globals, netns};
use taps::Taps;
use uplinks::Uplinks;

/// The object that build.rs made.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf"));

/// Which requests of HTTP/1 become journeys. Those of HTTP/2 all do: their heads are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Those with a sampled context.
    #[default]
    Sampled = 0,
    /// Those without a context too.
    Untraced = 1,
    /// All.
    All = 2,
}

/// What to attach to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cgroup v2 directory below which sockets are followed.
    pub cgroup: PathBuf,
    /// Which requests to follow.
    pub follow: Follow,
    /// Let the programs log what they do with each packet of interest.
    pub debug: bool,
    /// Use what old kernels have, though this one has better: for tests.
    pub only_fallbacks: bool,
}

/// A hook that is not attached, and why.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Which.
    pub hook: Hook,
    /// Why.
    pub reason: String,
}

/// A hook that is served by the program for old kernels, and why the better one is not.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// Which.
    pub hook: Hook,
    /// The function that serves it.
    pub function: &'static str,
    /// Why the better one does not.
    pub reason: String,
}

/// Everything attached. Dropping it detaches.
pub struct Attached {
    ebpf: Ebpf,
    _netfilter: Option<netfilter::Links>,
    taps: Option<Taps>,
    /// Inode number of the network namespace that the agent is in.
    pub netns: u32,
    /// The function that is the filter of uplinks; `None` where none was accepted.
    filter: Option<&'static str>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
    /// Hooks that this kernel or these privileges do not allow.
    pub missing: Vec<Missing>,
    /// Hooks that are served by programs for old kernels.
    pub fallbacks: Vec<Fallback>,
    /// What this kernel calls its reasons to drop a packet.
    pub drop_reasons: DropReasons,
    refused: Option<AttachError>,
}

impl Attached {
    /// Hands over one of the maps that the programs share with user space.
    pub fn take_map(&mut self, name: &str) -> Option<Map> {
        self.ebpf.take_map(name)
    }

    /// Follows these uplinks and no others. What was refused is left out, and said.
    pub fn follow_uplinks(&mut self, uplinks: &Uplinks) -> Vec<TapError> {
        let Some(taps) = &mut self.taps else {
            return Vec::new();
        };
        let filter = self
            .filter
            .and_then(|name| self.ebpf.program(name))
            .and_then(|program| <&SocketFilter>::try_from(program).ok());
        taps.follow(uplinks, filter)
    }

    /// Lets no journey begin any more; those under way still end.
    pub fn begin_no_more(&mut self) {
        self.taps = None;
        let [(_, _, openers), _] = CGROUP_HOOKS;
        for function in openers {
            if let Ok(opener) = program::<CgroupSkb>(&mut self.ebpf, function) {
                // One that is not loaded begins none.
                let _ = opener.unload();
            }
        }
    }

    /// Passes on what the programs have logged, where they were told to log.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }
}

/// Loads and attaches.
///
/// # Errors
///
/// When the programs cannot be loaded, or sockets cannot be followed at all.
pub fn attach(options: &Options) -> Result<Attached, AttachError> {
    let mut attached = attach_what_can(options)?;
    match attached.refused.take() {
        Some(refused) => Err(refused),
        None => Ok(attached),
    }
}

/// Loads and attaches as much as is possible; hooks without which nothing is seen can be missing too.
///
/// # Errors
///
/// When the programs cannot be loaded.
pub fn attach_what_can(options: &Options) -> Result<Attached, AttachError> {
    let netns = netns()?;
    let offsets = globals(options, netns)?;
    let globals: HashMap<&str, (&[u8], bool)> = offsets
        .iter()
        .map(|(name, value)| (*name, (value.as_slice(), true)))
        .collect();
    let mut loader = EbpfLoader::new();
    for (name, value) in &offsets {
        loader.override_global(name, value.as_slice(), true);
    }
    let mut attached = Attached {
        ebpf: loader.load(OBJECT)?,
        _netfilter: None,
        taps: None,
        netns,
        filter: None,
        log: None,
        missing: Vec::new(),
        fallbacks: Vec::new(),
        drop_reasons: drop_reasons::read()?,
        refused: None,
    };
    attach_cgroup(&mut attached, options)?;
    attach_tracepoints(&mut attached, options)?;
    match netfilter::attach(OBJECT, &globals, &map_fds(&attached.ebpf)) {
        Ok(links) => attached._netfilter = Some(links),
        Err(error) => attached
            .missing
            .extend(netfilter_hooks().map(|hook| Missing {
                hook,
                reason: error.to_string(),
            })),
    }
    load_filter(&mut attached, options);
    let maps = Taps::MAPS.map(|name| attached.take_map(name));
    attached.taps = Taps::new(netns, maps);
    if options.debug {
        attached.log = Some(EbpfLogger::init(&mut attached.ebpf)?);
    }
    Ok(attached)
}

/// The functions that can be the filter of uplinks, the best first.
const FILTERS: &[&str] = &["uplink_receive", "uplink_receive_fallback"];

/// Loads the filter of uplinks. It is attached when they are known.
fn load_filter(attached: &mut Attached, options: &Options) {
    const HOOK: Hook = Hook::UplinkReceive;
    let mut refused = Vec::new();
    let served = usable(FILTERS, options).iter().find(|function| {
        program::<SocketFilter>(&mut attached.ebpf, function)
            .and_then(|filter| filter.load().map(|()| filter))
            .map_err(|error| refused.push(chain(&error)))
            .is_ok_and(|filter| {
                // Without a device it hears nothing, and shows whether it is allowed.
                let tried = taps::tap("no device", filter, 0);
                tried.map_err(|error| refused.push(chain(&error))).is_ok()
            })
    });
    attached.filter = served.copied();
    let reason = refused.join("; ");
    match served {
        Some(function) if !reason.is_empty() => attached.fallbacks.push(Fallback {
            hook: HOOK,
            function,
            reason,
        }),
        Some(_) => {}
        None => attached.missing.push(Missing { hook: HOOK, reason }),
    }
}

fn attach_cgroup(attached: &mut Attached, options: &Options) -> Result<(), AttachError> {
    let cgroup = File::open(&options.cgroup).map_err(|source| AttachError::Cgroup {
        path: options.cgroup.clone(),
        source,
    })?;
    for (hook, attach_type, candidates) in CGROUP_HOOKS {
        let mut refused = None;
        let served = usable(candidates, options).iter().find(|function| {
            attach_to_cgroup(&mut attached.ebpf, function, &cgroup, attach_type)
                .map_err(|error| refused = Some(error))
                .is_ok()
        });
        match (served, refused) {
            (Some(function), Some(error)) => attached.fallbacks.push(Fallback {
                hook,
                function,
                reason: error.to_string(),
            }),
            (None, Some(source)) => {
                attached.missing.push(Missing {
                    hook,
                    reason: chain(&source),
                });
                attached
                    .refused
                    .get_or_insert(AttachError::Necessary { hook, source });
            }
            (_, None) => {}
        }
    }
    Ok(())
}

fn attach_to_cgroup(
    ebpf: &mut Ebpf,
    function: &str,
    cgroup: &File,
    attach_type: CgroupSkbAttachType,
) -> Result<(), ProgramError> {
    let program = program::<CgroupSkb>(ebpf, function)?;
    program.load()?;
    program.attach(cgroup, attach_type, CgroupAttachMode::Single)?;
    Ok(())
}

/// The candidates from the best on; of several, only the last is for old kernels.
fn usable<'a, T>(candidates: &'a [T], options: &Options) -> &'a [T] {
    match candidates {
        [.., _] if options.only_fallbacks => &candidates[candidates.len() - 1..],
        all => all,
    }
}

/// A cgroup hook, and the functions that can serve it, the best first.
const CGROUP_HOOKS: [(Hook, CgroupSkbAttachType, &[&str]); 2] = [
    (
        Hook::CgroupEgress,
        CgroupSkbAttachType::Egress,
        &["cgroup_egress", "cgroup_egress_fallback"],
    ),
    (
        Hook::CgroupIngress,
        CgroupSkbAttachType::Ingress,
        &["cgroup_ingress"],
    ),
];

/// A hook, and the programs that can serve it as (function, tracepoint), the best first.
const TRACEPOINTS: [(Hook, &[(&str, &str)]); 5] = [
    (
        Hook::DeviceTransmit,
        &[("device_transmit", "net_dev_start_xmit")],
    ),
    (
        Hook::DeviceReceive,
        &[("device_receive", "netif_receive_skb")],
    ),
    (
        Hook::SocketRead,
        &[
            ("socket_read", "sock_recv_length"),
            ("socket_read_fallback", "tcp_rcv_space_adjust"),
        ],
    ),
    (Hook::PacketDrop, &[("packet_drop", "kfree_skb")]),
    (
        Hook::SocketClose,
        &[
            ("socket_close", "inet_sock_set_state"),
            ("socket_close_fallback", "inet_sock_set_state"),
        ],
    ),
];

fn attach_tracepoints(attached: &mut Attached, options: &Options) -> Result<(), AttachError> {
    let btf = Btf::from_sys_fs()?;
    for (hook, candidates) in TRACEPOINTS {
        let mut refused = Vec::new();
        let served = usable(candidates, options)
            .iter()
            .find(|(function, tracepoint)| {
                attach_tracepoint(&mut attached.ebpf, function, tracepoint, &btf)
                    .map_err(|error| refused.push(format!("{tracepoint}: {}", chain(&error))))
                    .is_ok()
            });
        let reason = refused.join("; ");
        match served {
            Some((function, _)) if !reason.is_empty() => attached.fallbacks.push(Fallback {
                hook,
                function,
                reason,
            }),
            Some(_) => {}
            None => attached.missing.push(Missing { hook, reason }),
        }
    }
    Ok(())
}

fn attach_tracepoint(
    ebpf: &mut Ebpf,
    function: &str,
    tracepoint: &str,
    btf: &Btf,
) -> Result<(), ProgramError> {
    let program = program::<BtfTracePoint>(ebpf, function)?;
    program.load(tracepoint, btf)?;
    program.attach()?;
    Ok(())
}

fn program<'a, T>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut T, ProgramError>
where
    &'a mut T: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    ebpf.program_mut(name)
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
}

fn netfilter_hooks() -> impl Iterator<Item = Hook> {
    Hook::ALL
        .into_iter()
        .filter(|hook| (Hook::PreroutingEnter..=Hook::PostroutingLeave).contains(hook))
}

/// The maps by name, of the kinds that the programs use.
fn map_fds(ebpf: &Ebpf) -> HashMap<String, BorrowedFd<'_>> {
    ebpf.maps()
        .filter_map(|(name, map)| {
            let (Map::Array(data)
            | Map::HashMap(data)
            | Map::LruHashMap(data)
            | Map::PerCpuArray(data)
            | Map::RingBuf(data)) = map
            else {
                return None;
            };
            Some((name.to_owned(), data.fd().as_fd()))
        })
        .collect()
}
