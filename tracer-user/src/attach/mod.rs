//! Loads the kernel programs and attaches them to the hooks that this kernel offers.
//!
//! In: `Options`. Out: `Attached`, which keeps the programs attached for as long as it lives. No
//! program is pinned, so the end of the process detaches all, however it comes. A hook that cannot
//! be attached is listed in `Attached::missing` and narrows what is seen; only the cgroup hooks are
//! necessary.

mod candidates;
pub mod capability;
pub mod cgroup2;
mod drop_reasons;
mod error;
mod globals;
pub mod hook_loss;
mod kernel_types;
mod maps;
mod memory;
mod netfilter;
mod offsets;
mod programs;
mod uplink_sockets;

use std::{collections::HashMap, fs::File, path::PathBuf};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData},
    programs::{CgroupAttachMode, CgroupSkb, Program, ProgramError, SocketFilter},
};
use aya_log::EbpfLogger;
use tracer_common::hook::Hook;
use tracer_pipeline::decode::DropReasons;

use crate::{error_chain::error_chain, uplinks::Uplinks};

pub use error::{AttachError, Refusal};
pub use kernel_types::NoBtf;
pub use memory::return_freed_memory;
pub use offsets::unknown_fields;
pub use uplink_sockets::UplinkSocketError;

use candidates::{
    AttachPoint, CANDIDATES, Candidate, OPENERS, is_necessary, is_of_netfilter, usable,
};
use globals::{globals, netns};
use kernel_types::KernelTypes;
use maps::{hash_maps, map_fds};
use netfilter::NetfilterError;
use programs::Programs;
use uplink_sockets::UplinkSockets;

/// The object that build.rs builds.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-ebpf"));

/// The network namespace of this process.
const NETNS: &str = "/proc/self/ns/net";

/// Which HTTP/1 requests become journeys. HTTP/2 requests all do, because their heads are
/// compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Requests with a sampled trace context.
    #[default]
    Sampled = 0,
    /// Also requests without a trace context.
    Untraced = 1,
    /// All requests.
    All = 2,
}

/// How to attach.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cgroup v2 directory below which sockets are followed.
    pub cgroup: PathBuf,
    /// Which requests to follow.
    pub follow: Follow,
    /// Let the programs log each packet of interest.
    pub debug: bool,
    /// Use the programs for old kernels on any kernel. For tests.
    pub only_fallbacks: bool,
}

/// A hook that is not attached.
#[derive(Clone, Debug)]
pub struct Missing {
    /// The hook.
    pub hook: Hook,
    /// Why it is not attached.
    pub reason: String,
}

/// A hook that the program for old kernels serves.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// The hook.
    pub hook: Hook,
    /// The program's function.
    pub function: &'static str,
    /// Why the better program does not serve the hook.
    pub reason: String,
}

/// All attached programs. Dropping it detaches them.
pub struct Attached {
    ebpf: Ebpf,
    /// The loaded programs of netfilter's hooks; `None` where the kernel refuses them.
    netfilter: Option<netfilter::Programs>,
    netfilter_links: Option<netfilter::Links>,
    uplink_sockets: Option<UplinkSockets>,
    /// Inode number of the agent's network namespace.
    pub netns: u32,
    /// The function of the uplinks' socket filter; `None` where the kernel refuses all candidates.
    filter: Option<&'static str>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
    /// Hooks that are not attached.
    pub missing: Vec<Missing>,
    /// Hooks that are served by programs for old kernels.
    pub fallbacks: Vec<Fallback>,
    /// The names of this kernel's drop reasons.
    pub drop_reasons: DropReasons,
    /// The hash maps of the programs, once more, for counting their entries.
    pub hash_maps: Vec<(String, MapData)>,
    refused: Option<AttachError>,
}

impl Attached {
    /// Removes and returns a map that the programs share with user space.
    pub fn take_map(&mut self, name: &str) -> Option<Map> {
        self.ebpf.take_map(name)
    }

    /// Whether another agent is attached to this network namespace: an agent that this one replaces,
    /// or one that is here by mistake.
    pub fn is_beside_another(&self) -> bool {
        let links = self.netfilter_links.as_ref();
        links.is_some_and(|links| links.beside_another)
    }

    /// Attaches hooks that could not be attached because others had their place. Returns whether
    /// anything has changed.
    pub fn attach_missing(&mut self) -> bool {
        let Some(programs) = self
            .netfilter
            .as_ref()
            .filter(|_| self.netfilter_links.is_none())
        else {
            return false;
        };
        let Ok(links) = programs.attach() else {
            return false;
        };
        self.netfilter_links = Some(links);
        self.missing
            .retain(|missing| !is_of_netfilter(missing.hook));
        true
    }

    fn miss_netfilter(&mut self, error: &NetfilterError) {
        let missing = Hook::ALL.into_iter().filter(|hook| is_of_netfilter(*hook));
        self.missing.extend(missing.map(|hook| Missing {
            hook,
            reason: error.to_string(),
        }));
    }

    /// Follows these uplinks and no others. Returns the errors; a refused uplink is left out.
    pub fn follow_uplinks(&mut self, uplinks: &Uplinks) -> Vec<UplinkSocketError> {
        let Some(uplink_sockets) = &mut self.uplink_sockets else {
            return Vec::new();
        };
        let filter = self
            .filter
            .and_then(|name| self.ebpf.program(name))
            .and_then(|program| <&SocketFilter>::try_from(program).ok());
        uplink_sockets.follow(uplinks, filter)
    }

    /// Detaches the programs that open journeys. Open journeys still end.
    pub fn begin_no_more(&mut self) {
        self.uplink_sockets = None;
        for Candidate { function, .. } in OPENERS {
            let opener = self.ebpf.program_mut(function);
            if let Some(opener) =
                opener.and_then(|program| <&mut CgroupSkb>::try_from(program).ok())
            {
                // Fails where the program is not loaded, and opens no journeys.
                let _ = opener.unload();
            }
        }
    }

    /// Passes on the programs' log, with `Options::debug`.
    pub fn flush_log(&mut self) {
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }
}

/// Loads and attaches the programs.
///
/// # Errors
///
/// When the programs cannot be loaded, or a necessary hook is refused.
pub fn attach(options: &Options) -> Result<Attached, AttachError> {
    let attached = attach_what_is_possible(options);
    let attached = attached.and_then(|mut attached| match attached.refused.take() {
        Some(refused) => Err(refused),
        None => Ok(attached),
    });
    // The kernel's own errors do not name a capability: without CAP_PERFMON the verifier refuses
    // a program.
    attached.map_err(|error| match capability::missing() {
        missing if missing.is_empty() => error,
        missing => AttachError::Capabilities {
            missing,
            source: error.into(),
        },
    })
}

/// Loads and attaches as many programs as possible. Necessary hooks may be missing too.
///
/// # Errors
///
/// When the programs cannot be loaded.
pub fn attach_what_is_possible(options: &Options) -> Result<Attached, AttachError> {
    let netns = netns()?;
    let types = KernelTypes::open()?;
    let offsets = globals(options, netns, &types)?;
    let drop_reasons = drop_reasons::read(&types);
    drop(types);
    let globals: HashMap<&str, (&[u8], bool)> = offsets
        .iter()
        .map(|(name, value)| (*name, (value.as_slice(), true)))
        .collect();
    let mut loader = EbpfLoader::new();
    // The programs have no relocations, for which aya would parse the kernel's types.
    loader.btf(None);
    for (name, value) in &offsets {
        loader.override_global(name, value.as_slice(), true);
    }
    let ebpf = loader.load(OBJECT)?;
    let mut attached = Attached {
        hash_maps: hash_maps(&ebpf),
        ebpf,
        netfilter: None,
        netfilter_links: None,
        uplink_sockets: None,
        netns,
        filter: None,
        log: None,
        missing: Vec::new(),
        fallbacks: Vec::new(),
        drop_reasons,
        refused: None,
    };
    attach_candidates(&mut attached, options)?;
    match netfilter::load_all(OBJECT, &globals, &map_fds(&attached.ebpf)) {
        Ok(programs) => attached.netfilter = Some(programs),
        Err(error) => attached.miss_netfilter(&error),
    }
    if let Some(programs) = &attached.netfilter {
        match programs.attach() {
            Ok(links) => attached.netfilter_links = Some(links),
            Err(error) => attached.miss_netfilter(&error),
        }
    }
    let maps = UplinkSockets::MAPS.map(|name| attached.take_map(name));
    attached.uplink_sockets = UplinkSockets::new(netns, maps);
    if options.debug {
        attached.log = Some(EbpfLogger::init(&mut attached.ebpf)?);
    }
    Ok(attached)
}

/// Loads and attaches the best candidate of each hook that the kernel accepts.
fn attach_candidates(attached: &mut Attached, options: &Options) -> Result<(), AttachError> {
    let cgroup = File::open(&options.cgroup).map_err(|source| AttachError::Cgroup {
        path: options.cgroup.clone(),
        source,
    })?;
    let hooks = CANDIDATES.map(|(hook, all)| (hook, usable(all, options.only_fallbacks)));
    let best: Vec<Candidate> = hooks
        .iter()
        .filter_map(|(_, candidates)| candidates.first().copied())
        .collect();
    let mut programs = Programs::load(&mut attached.ebpf, &best)?;
    for (hook, candidates) in hooks {
        let mut refused = Vec::new();
        let served = candidates.iter().find(|candidate| {
            serve(&mut programs, &mut attached.ebpf, **candidate, &cgroup)
                .map_err(|refusal| refused.push(refusal))
                .is_ok()
        });
        let best = candidates.first().map(|best| best.function);
        attached.add_result(hook, best, served, refused);
    }
    Ok(())
}

/// Loads and attaches a candidate.
fn serve(
    programs: &mut Programs,
    ebpf: &mut Ebpf,
    candidate: Candidate,
    cgroup: &File,
) -> Result<(), Refusal> {
    let refusal = |source| Refusal::of(candidate.point, source);
    let program = programs.loaded(ebpf, candidate).map_err(refusal)?;
    let AttachPoint::UplinkBy(entry) = candidate.point else {
        return attach_to(program, candidate.point, cgroup);
    };
    let fd = program.fd().and_then(|fd| Ok(fd.try_clone()?));
    let fd = fd.map_err(refusal)?;
    uplink_sockets::call(ebpf, &fd)?;
    let entry = Candidate {
        function: entry,
        ..candidate
    };
    let program = programs.loaded(ebpf, entry).map_err(refusal)?;
    attach_to(program, candidate.point, cgroup)
}

fn attach_to(program: &mut Program, point: AttachPoint, cgroup: &File) -> Result<(), Refusal> {
    let attached = match (program, point) {
        (Program::CgroupSkb(program), AttachPoint::Cgroup(attach_type)) => program
            .attach(cgroup, attach_type, CgroupAttachMode::Single)
            .map(drop),
        (Program::BtfTracePoint(program), _) => program.attach().map(drop),
        (Program::SocketFilter(program), _) => {
            // Shows whether a packet socket is allowed. Unbound, it receives nothing.
            uplink_sockets::filtered_socket("no device", program, 0)?;
            Ok(())
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    };
    attached.map_err(|source| Refusal::of(point, source))
}

impl Attached {
    /// Records which program serves a hook, and why the best one does not.
    fn add_result(
        &mut self,
        hook: Hook,
        best: Option<&str>,
        served: Option<&Candidate>,
        refused: Vec<Refusal>,
    ) {
        let reasons: Vec<String> = refused.iter().map(|refusal| error_chain(refusal)).collect();
        let reason = reasons.join("; ");
        let Some(served) = served else {
            self.missing.push(Missing { hook, reason });
            if let Some(source) = refused.into_iter().last()
                && is_necessary(hook)
            {
                self.refused
                    .get_or_insert(AttachError::Necessary { hook, source });
            }
            return;
        };
        match served.point {
            AttachPoint::Uplink => self.filter = Some(served.function),
            AttachPoint::UplinkBy(entry) => self.filter = Some(entry),
            AttachPoint::Cgroup(_) | AttachPoint::Tracepoint(_) => {}
        }
        if best != Some(served.function) {
            self.fallbacks.push(Fallback {
                hook,
                function: served.function,
                reason,
            });
        }
    }
}
