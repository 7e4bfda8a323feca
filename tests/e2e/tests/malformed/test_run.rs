//! The programs of a running agent, run by the kernel on packets of the test (BPF_PROG_TEST_RUN).
//!
//! In: the agent's process, and frames. Out: what each program returned, and the packet afterwards.
//! aya's `TestRun` does not know netfilter programs, hence the system call itself.
//!
//! What takes a packet: cgroup_skb and socket filters, and netfilter programs from 6.4 (kernel:
//! bpf_prog_test_run_skb, bpf_prog_test_run_nf). Programs on tracepoints take none
//! (bpf_prog_test_run_tracing runs fixed functions of the kernel). The one on kfree_skb runs all the
//! same: the kernel frees each packet of the others.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, Result};
use aya::programs::{ProgramFd, loaded_programs};
use aya_obj::generated::{bpf_attr, bpf_cmd, bpf_prog_type};
use hopspan_e2e::held_ids;

use super::packet::{ETHERNET_BYTES, Version};

/// kernel: NFPROTO_IPV4, NFPROTO_IPV6.
const FAMILIES: [u8; 2] = [2, 10];
/// kernel: enum nf_inet_hooks, by the names of the programs, which the kernel cuts to 15 bytes.
const NETFILTER_HOOKS: [(&str, u8); 5] = [
    ("prerouting", 0),
    ("input", 1),
    ("forward", 2),
    ("output", 3),
    ("postrouting", 4),
];
/// kernel: NF_INET_LOCAL_OUT, whose packets have no Ethernet header.
const LOCAL_OUT: u8 = 3;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// cgroup_skb: 1 lets the packet pass, and everything else drops it or reports congestion.
    Cgroup,
    /// A socket filter: the number of bytes that the socket keeps.
    SocketFilter,
    /// A netfilter hook, by its number: 1 is NF_ACCEPT.
    Netfilter(u8),
}

/// A program that takes packets.
#[derive(Debug)]
pub(super) struct Program {
    /// Its name, which the kernel has cut.
    pub(super) name: String,
    /// Where it runs.
    pub(super) place: Place,
    fd: ProgramFd,
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// What the program returned.
    pub(super) value: u32,
    /// The packet from its network header on, as the program left it. `None` for netfilter, where the
    /// kernel does not return it.
    pub(super) packet: Option<Vec<u8>>,
}

/// The programs of this process that take packets.
pub(super) fn programs_of(pid: u32) -> Result<Vec<Program>> {
    let held = held_ids(pid, "prog_id:");
    let mut programs = Vec::new();
    // An error means that a program of another process has ended.
    for info in loaded_programs().filter_map(Result::ok) {
        if !held.contains(&info.id()) {
            continue;
        }
        let name = info.name_as_str().unwrap_or_default().to_owned();
        let place = match info.program_type() {
            bpf_prog_type::BPF_PROG_TYPE_CGROUP_SKB => Place::Cgroup,
            bpf_prog_type::BPF_PROG_TYPE_SOCKET_FILTER => Place::SocketFilter,
            bpf_prog_type::BPF_PROG_TYPE_NETFILTER => {
                let mut hooks = NETFILTER_HOOKS.iter();
                let hook = hooks.find(|(hook, _)| name.starts_with(hook));
                let (_, hook) = hook.with_context(|| format!("no hook of {name}"))?;
                Place::Netfilter(*hook)
            }
            _ => continue,
        };
        let fd = info.fd()?;
        programs.push(Program { name, place, fd });
    }
    Ok(programs)
}

impl Program {
    /// Runs the program `repeat` times on one packet. `None` if the kernel does not take the frame: it
    /// is too short or too long, or no packet of the version.
    pub(super) fn run(&self, version: Version, frame: &[u8], repeat: u32) -> Option<Ran> {
        let family = FAMILIES[usize::from(version == Version::Six)];
        let (given, context): (&[u8], &[u8]) = match self.place {
            Place::Cgroup | Place::SocketFilter => (frame, &[]),
            Place::Netfilter(LOCAL_OUT) => (frame.get(ETHERNET_BYTES..)?, &[LOCAL_OUT, family]),
            // The first two bytes of a `nf_hook_state`; the kernel takes the others as zero.
            Place::Netfilter(hook) => (frame, &[hook, family]),
        };
        let mut after = vec![0; frame.len() + 1];
        let ran = test_run(&self.fd, given, context, &mut after, repeat);
        let (value, bytes) = match ran {
            Ok(ran) => ran,
            Err(error) if is_refused(&error) => return None,
            Err(error) => panic!("{}: {error}: {frame:02x?}", self.name),
        };
        after.truncate(bytes);
        // The kernel returns an empty Ethernet header before the packet.
        let packet = after.split_off(ETHERNET_BYTES.min(after.len()));
        Some(Ran {
            value,
            packet: (!matches!(self.place, Place::Netfilter(_))).then_some(packet),
        })
    }
}

/// EINVAL for a length, EPROTO for another protocol than IP (kernel: bpf_prog_test_run_nf).
fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPROTO))
}

/// BPF_PROG_TEST_RUN: what the program returned, and the bytes of the packet afterwards.
fn test_run(
    program: &ProgramFd,
    packet: &[u8],
    context: &[u8],
    after: &mut [u8],
    repeat: u32,
) -> io::Result<(u32, usize)> {
    // SAFETY: `bpf_attr` is plain data, for which zero is valid.
    let mut attr = unsafe { std::mem::zeroed::<bpf_attr>() };
    attr.test.prog_fd = program.as_fd().as_raw_fd() as u32;
    attr.test.data_in = packet.as_ptr() as u64;
    attr.test.data_size_in = packet.len() as u32;
    attr.test.data_out = after.as_mut_ptr() as u64;
    attr.test.data_size_out = after.len() as u32;
    attr.test.ctx_in = if context.is_empty() {
        0
    } else {
        context.as_ptr() as u64
    };
    attr.test.ctx_size_in = context.len() as u32;
    attr.test.repeat = repeat;
    let command = bpf_cmd::BPF_PROG_TEST_RUN;
    // SAFETY: `attr` is filled for this command. The buffers that it points to are borrowed until the
    // call has returned, and the kernel writes no more to `after` than its length.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &mut attr, size_of::<bpf_attr>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled this member.
    let test = unsafe { attr.test };
    Ok((test.retval, test.data_size_out as usize))
}
