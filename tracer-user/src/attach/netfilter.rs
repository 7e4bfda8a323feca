//! Loads and attaches programs of type BPF_PROG_TYPE_NETFILTER, which aya does not support.
//!
//! In: the object that aya loaded, and the maps that aya made. Out: links to the hooks of this
//! thread's network namespace. The programs are relocated against the maps, loaded and linked here.
//! Oldest kernel: 6.4. The links end with their file descriptors, however the process ends.

use std::{
    collections::HashMap,
    ffi::CStr,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use aya_obj::{
    Object,
    generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn},
};
use tracer_common::hook::Hook;

/// kernel: BPF_PROG_TYPE_NETFILTER, 6.4.
const PROG_TYPE_NETFILTER: u32 = 32;
/// How many agents can be attached to one network namespace, each at the priority beside the one
/// before. Two are attached while a DaemonSet is updated, or while `hopspan doctor` tries the hooks.
const AGENTS: i32 = 4;
/// The first priority that the kernel accepts, before defragmentation (-400) and conntrack (-200).
/// The kernel refuses INT_MIN.
const FIRST: i32 = i32::MIN + 1;
/// After SNAT (100) and conntrack's helpers (300), before conntrack confirms, which is at INT_MAX,
/// and at INT_MAX - 1 for IPv6's NF_INET_LOCAL_IN (kernel: ipv6_conntrack_ops). The kernel refuses
/// INT_MAX.
const LAST: i32 = i32::MAX - 2;
/// kernel: NFPROTO_IPV4, NFPROTO_IPV6.
const FAMILIES: [u32; 2] = [2, 10];
/// The buffer for the verifier's log.
const VERIFIER_LOG_BYTES: usize = 64 << 10;

/// Why the netfilter programs are not attached.
#[derive(Debug, thiserror::Error)]
pub(super) enum NetfilterError {
    /// The object lacks a program.
    #[error("program {0} is not in the object")]
    Missing(&'static str),
    /// The object does not parse or relocate.
    #[error("relocate the netfilter programs: {0}")]
    Object(String),
    /// The kernel lacks the program type.
    #[error(
        "this kernel has no netfilter programs: they need 6.4 or later with CONFIG_NETFILTER_BPF_LINK"
    )]
    Unsupported,
    /// The kernel refuses a program.
    #[error("load netfilter program {name}: {source}{log}")]
    Load {
        /// The program's function.
        name: &'static str,
        /// The kernel's error.
        source: io::Error,
        /// The end of the verifier's log.
        log: String,
    },
    /// The kernel refuses a link.
    #[error("attach netfilter program {name}: {source}{}", taken(source))]
    Link {
        /// The program's function.
        name: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}

/// What EBUSY means here.
fn taken(error: &io::Error) -> &'static str {
    if is_busy(error) {
        "; other hopspans run here and have all priorities that it uses"
    } else {
        ""
    }
}

/// kernel: nf_hook_entries_grow, for a BPF program at a priority that another one has.
fn is_busy(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EBUSY)
}

/// A program's hook number (kernel: enum nf_inet_hooks) and its priority; `step` leads to those of
/// other agents.
struct Placement {
    hook: Hook,
    number: u32,
    priority: i32,
    step: i32,
}

const PLACEMENTS: [Placement; 10] = [
    first(Hook::PreroutingEnter, 0),
    last(Hook::PreroutingLeave, 0),
    first(Hook::InputEnter, 1),
    last(Hook::InputLeave, 1),
    first(Hook::ForwardEnter, 2),
    last(Hook::ForwardLeave, 2),
    first(Hook::OutputEnter, 3),
    last(Hook::OutputLeave, 3),
    first(Hook::PostroutingEnter, 4),
    last(Hook::PostroutingLeave, 4),
];

const fn first(hook: Hook, number: u32) -> Placement {
    Placement {
        hook,
        number,
        priority: FIRST,
        step: 1,
    }
}

const fn last(hook: Hook, number: u32) -> Placement {
    Placement {
        hook,
        number,
        priority: LAST,
        step: -1,
    }
}

/// The loaded programs.
pub(super) struct Programs(Vec<(&'static Placement, OwnedFd)>);

/// The programs' links. Dropping them detaches.
#[derive(Debug)]
pub(super) struct Links {
    links: Vec<OwnedFd>,
    /// Another agent has the best priority of a hook.
    pub(super) beside_another: bool,
}

/// Loads all netfilter programs.
///
/// `maps` are the file descriptors of the maps that the object's other programs use.
///
/// # Errors
///
/// When the kernel lacks the program type or refuses a program.
pub(super) fn load_all(
    object: &[u8],
    globals: &HashMap<&str, (&[u8], bool)>,
    maps: &HashMap<String, BorrowedFd<'_>>,
) -> Result<Programs, NetfilterError> {
    let object = relocated(object, globals, maps)?;
    let load =
        |placement: &'static Placement| Ok((placement, load(&object, placement.hook.name())?));
    let programs = PLACEMENTS.iter().map(load);
    Ok(Programs(programs.collect::<Result<_, NetfilterError>>()?))
}

impl Programs {
    /// Attaches all programs.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a link. No program stays attached then.
    pub(super) fn attach(&self) -> Result<Links, NetfilterError> {
        let mut all = Links {
            links: Vec::new(),
            beside_another: false,
        };
        for (placement, program) in &self.0 {
            for family in FAMILIES {
                let (link, agent) =
                    place(program, placement, family).map_err(|source| NetfilterError::Link {
                        name: placement.hook.name(),
                        source,
                    })?;
                all.links.push(link);
                all.beside_another |= agent > 0;
            }
        }
        Ok(all)
    }
}

/// Links a program at the first of its priorities that is free. Returns how many were taken.
fn place(program: &OwnedFd, placement: &Placement, family: u32) -> io::Result<(OwnedFd, i32)> {
    let mut agent = 0;
    loop {
        let priority = placement.priority + agent * placement.step;
        match link(program, placement.number, priority, family) {
            Ok(link) => return Ok((link, agent)),
            Err(error) if is_busy(&error) && agent + 1 < AGENTS => agent += 1,
            Err(error) => return Err(error),
        }
    }
}

fn relocated(
    bytes: &[u8],
    globals: &HashMap<&str, (&[u8], bool)>,
    maps: &HashMap<String, BorrowedFd<'_>>,
) -> Result<Object, NetfilterError> {
    let failed = |error: &dyn std::fmt::Display| NetfilterError::Object(error.to_string());
    let mut object = Object::parse(bytes).map_err(|error| failed(&error))?;
    object
        .patch_map_data(globals.clone())
        .map_err(|error| failed(&error))?;
    let definitions = std::mem::take(&mut object.maps);
    let known = definitions.iter().filter_map(|(name, definition)| {
        let fd = maps.get(name)?;
        Some((name.as_str(), fd.as_raw_fd(), definition))
    });
    let text_sections = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    object
        .relocate_maps(known, &text_sections)
        .map_err(|error| failed(&error))?;
    object
        .relocate_calls(&text_sections)
        .map_err(|error| failed(&error))?;
    Ok(object)
}

fn load(object: &Object, name: &'static str) -> Result<OwnedFd, NetfilterError> {
    let program = object
        .programs
        .get(name)
        .ok_or(NetfilterError::Missing(name))?;
    let function = object
        .functions
        .get(&program.function_key())
        .ok_or(NetfilterError::Missing(name))?;
    let load =
        |log: &mut [u8]| load_instructions(&function.instructions, &program.license, name, log);
    // Without a log first: writing the log takes the verifier longer than the verdict.
    load(&mut [])
        .or_else(|_| {
            let mut log = vec![0_u8; VERIFIER_LOG_BYTES];
            load(&mut log).map_err(|source| (source, last_lines(&log)))
        })
        .map_err(|(source, log)| {
            // An unknown type is refused before the verifier runs (kernel: find_prog_type).
            if source.raw_os_error() == Some(libc::EINVAL) && log.is_empty() {
                return NetfilterError::Unsupported;
            }
            NetfilterError::Load { name, source, log }
        })
}

fn load_instructions(
    instructions: &[bpf_insn],
    license: &CStr,
    name: &str,
    log: &mut [u8],
) -> io::Result<OwnedFd> {
    // SAFETY: `bpf_attr` is plain data; the kernel requires zero in unused fields.
    let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
    // SAFETY: BPF_PROG_LOAD reads this member, and all bytes of it are initialised.
    let program = unsafe { &mut attr.__bindgen_anon_3 };
    program.prog_type = PROG_TYPE_NETFILTER;
    program.expected_attach_type = bpf_attach_type::BPF_NETFILTER as u32;
    program.insns = instructions.as_ptr() as u64;
    program.insn_cnt = instructions.len() as u32;
    program.license = license.as_ptr() as u64;
    if !log.is_empty() {
        program.log_level = 1;
        program.log_buf = log.as_mut_ptr() as u64;
        program.log_size = log.len() as u32;
    }
    // kernel: BPF_OBJ_NAME_LEN, 15 bytes and a NUL.
    for (to, from) in program.prog_name[..15].iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    bpf(bpf_cmd::BPF_PROG_LOAD, &attr)
}

fn link(program: &OwnedFd, number: u32, priority: i32, family: u32) -> io::Result<OwnedFd> {
    // SAFETY: as in `load_instructions`.
    let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_NETFILTER as u32;
    attr.link_create.__bindgen_anon_3.netfilter.pf = family;
    attr.link_create.__bindgen_anon_3.netfilter.hooknum = number;
    attr.link_create.__bindgen_anon_3.netfilter.priority = priority;
    bpf(bpf_cmd::BPF_LINK_CREATE, &attr)
}

/// The `bpf` system call, for the commands that return a file descriptor.
fn bpf(command: bpf_cmd, attr: &bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: `attr` is filled for `command`, and outlives the call with all it points to.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<bpf_attr>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// The end of the verifier's log, with the reason of the refusal.
fn last_lines(log: &[u8]) -> String {
    const LINES: usize = 8;
    let text = CStr::from_bytes_until_nul(log).map_or_else(|_| "".into(), CStr::to_string_lossy);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..]
        .iter()
        .fold(String::new(), |all, line| all + "\n    " + line)
}
