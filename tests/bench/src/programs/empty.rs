//! Programs that do nothing, one of each type of the agent's programs.
//!
//! In: a cgroup, and the network namespace of this process. Out: their runs, the time of which is
//! the time that measuring takes. Two instructions each, so they need no compiler. Like the
//! agent's, they let every packet pass, and are gone when this process ends.

mod tap;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    path::Path,
};

use anyhow::{Context as _, Result};
use aya::{Btf, programs::loaded_programs};
use aya_obj::{
    btf::BtfKind,
    generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_insn, bpf_prog_info, bpf_prog_type},
};

use super::runs::Runs;

/// The tracepoint of the tp_btf program: one of the agent's, which runs for every packet.
const TRACEPOINT: &str = "netif_receive_skb";
/// kernel: NFPROTO_IPV4, NF_INET_PRE_ROUTING, and an unused priority.
const NETFILTER: (u32, u32, i32) = (2, 0, -399);
/// eBPF: BPF_ALU64 | BPF_MOV | BPF_K, and BPF_JMP | BPF_EXIT.
const MOV: u8 = 0xb7;
const EXIT: u8 = 0x95;

/// A type of program, by its name in results.
type Kind = &'static str;

/// The programs, attached.
pub(super) struct Empty {
    attached: Vec<Attached>,
}

struct Attached {
    kind: Kind,
    program: OwnedFd,
    _link: OwnedFd,
}

impl Empty {
    /// Attaches one of each type.
    ///
    /// # Errors
    /// When the kernel refuses one; none stays attached then.
    pub(super) fn attach(cgroup: &Path) -> Result<Self> {
        let mut attached = Vec::new();
        let directory =
            File::open(cgroup).with_context(|| format!("open cgroup {}", cgroup.display()))?;
        for attach_type in [
            bpf_attach_type::BPF_CGROUP_INET_EGRESS,
            bpf_attach_type::BPF_CGROUP_INET_INGRESS,
        ] {
            let attach = || -> io::Result<_> {
                let program = load(bpf_prog_type::BPF_PROG_TYPE_CGROUP_SKB, attach_type, 0)?;
                let mut attr = zeroed();
                attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
                attr.link_create.__bindgen_anon_2.target_fd = directory.as_raw_fd() as u32;
                attr.link_create.attach_type = attach_type as u32;
                let link = bpf(bpf_cmd::BPF_LINK_CREATE, &attr)?;
                Ok(Attached {
                    kind: "cgroup_skb",
                    program,
                    _link: link,
                })
            };
            attached.push(attach().context("attach an empty program to a cgroup")?);
        }
        attached.push(tracing().context("attach an empty program to a tracepoint")?);
        match socket_filter() {
            Ok(program) => attached.push(program),
            // Where the kernel refuses it, the agent has none either.
            Err(error) => eprintln!("no empty socket filter: {error}"),
        }
        match netfilter() {
            Ok(program) => attached.push(program),
            Err(error) => eprintln!("no empty netfilter program: {error}"),
        }
        Ok(Self { attached })
    }

    /// Their runs, by type.
    ///
    /// # Errors
    /// When the kernel does not return a program's id.
    pub(super) fn runs(&self) -> Result<BTreeMap<Kind, Runs>> {
        let mut kinds = BTreeMap::new();
        for attached in &self.attached {
            kinds.insert(id(&attached.program)?, attached.kind);
        }
        let mut runs: BTreeMap<Kind, Runs> = BTreeMap::new();
        // An error means that a program of another process has ended.
        for info in loaded_programs().filter_map(Result::ok) {
            if let Some(kind) = kinds.get(&info.id()) {
                runs.entry(kind).or_default().add(&info);
            }
        }
        Ok(runs)
    }
}

fn tracing() -> Result<Attached> {
    let btf = Btf::from_sys_fs().context("read the kernel's BTF")?;
    let name = format!("btf_trace_{TRACEPOINT}");
    let id = btf.id_by_type_name_kind(&name, BtfKind::Typedef);
    let program = load(
        bpf_prog_type::BPF_PROG_TYPE_TRACING,
        bpf_attach_type::BPF_TRACE_RAW_TP,
        id.with_context(|| format!("find {name}"))?,
    )
    .context("load it")?;
    let mut attr = zeroed();
    attr.raw_tracepoint.prog_fd = program.as_raw_fd() as u32;
    let link = bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &attr).context("link it")?;
    Ok(Attached {
        kind: "tracing",
        program,
        _link: link,
    })
}

/// On a packet socket like the agent's, but for every device, so that it runs for all packets.
fn socket_filter() -> io::Result<Attached> {
    let program = load(
        bpf_prog_type::BPF_PROG_TYPE_SOCKET_FILTER,
        // A socket filter has no attach type; the value of this one is 0.
        bpf_attach_type::BPF_CGROUP_INET_INGRESS,
        0,
    )?;
    let socket = tap::open(&program)?;
    Ok(Attached {
        kind: "socket_filter",
        program,
        _link: socket,
    })
}

fn netfilter() -> io::Result<Attached> {
    let program = load(
        bpf_prog_type::BPF_PROG_TYPE_NETFILTER,
        bpf_attach_type::BPF_NETFILTER,
        0,
    )?;
    let (family, hook, priority) = NETFILTER;
    let mut attr = zeroed();
    attr.link_create.__bindgen_anon_1.prog_fd = program.as_raw_fd() as u32;
    attr.link_create.attach_type = bpf_attach_type::BPF_NETFILTER as u32;
    attr.link_create.__bindgen_anon_3.netfilter.pf = family;
    attr.link_create.__bindgen_anon_3.netfilter.hooknum = hook;
    attr.link_create.__bindgen_anon_3.netfilter.priority = priority;
    let link = bpf(bpf_cmd::BPF_LINK_CREATE, &attr)?;
    Ok(Attached {
        kind: "netfilter",
        program,
        _link: link,
    })
}

/// Loads `return 1`, which accepts a packet; `return 0` for a tracepoint, which may return nothing
/// else, and for a socket filter, where it keeps nothing of the packet.
fn load(kind: bpf_prog_type, attach_type: bpf_attach_type, btf_id: u32) -> io::Result<OwnedFd> {
    let returns_zero = [
        bpf_prog_type::BPF_PROG_TYPE_TRACING as u32,
        bpf_prog_type::BPF_PROG_TYPE_SOCKET_FILTER as u32,
    ];
    let verdict = i32::from(!returns_zero.contains(&(kind as u32)));
    let instructions = [instruction(MOV, verdict), instruction(EXIT, 0)];
    let license = c"Dual MIT/GPL";
    let mut attr = zeroed();
    // SAFETY: this is the member that BPF_PROG_LOAD reads, and all zero is valid for it.
    let program = unsafe { &mut attr.__bindgen_anon_3 };
    program.prog_type = kind as u32;
    program.expected_attach_type = attach_type as u32;
    program.insns = instructions.as_ptr() as u64;
    program.insn_cnt = instructions.len() as u32;
    program.license = license.as_ptr() as u64;
    program.attach_btf_id = btf_id;
    for (to, from) in program.prog_name.iter_mut().zip(b"empty") {
        *to = *from as libc::c_char;
    }
    bpf(bpf_cmd::BPF_PROG_LOAD, &attr)
}

/// An instruction on register 0.
fn instruction(code: u8, immediate: i32) -> bpf_insn {
    // SAFETY: a `bpf_insn` is plain numbers, for which zero is valid.
    let mut instruction = unsafe { std::mem::zeroed::<bpf_insn>() };
    instruction.code = code;
    instruction.imm = immediate;
    instruction
}

/// The id of a program.
fn id(program: &OwnedFd) -> io::Result<u32> {
    // SAFETY: a `bpf_prog_info` is plain numbers and addresses, for which zero is valid.
    let mut info = unsafe { std::mem::zeroed::<bpf_prog_info>() };
    let mut attr = zeroed();
    attr.info.bpf_fd = program.as_raw_fd() as u32;
    attr.info.info_len = size_of::<bpf_prog_info>() as u32;
    attr.info.info = std::ptr::from_mut(&mut info) as u64;
    call(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &attr)?;
    Ok(info.id)
}

fn zeroed() -> bpf_attr {
    // SAFETY: `bpf_attr` is plain data, for which zero is valid; the kernel requires zeros in
    // unused fields.
    unsafe { std::mem::zeroed::<bpf_attr>() }
}

/// The `bpf` system call, for the commands that return a file descriptor.
fn bpf(command: bpf_cmd, attr: &bpf_attr) -> io::Result<OwnedFd> {
    let fd = call(command, attr)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn call(command: bpf_cmd, attr: &bpf_attr) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is filled for `command`, and outlives the call with all it points to.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<bpf_attr>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
