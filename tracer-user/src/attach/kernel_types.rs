//! The types of the running kernel.
//!
//! In: /sys/kernel/btf. Out: `Btf` that is searched in a mapped file. The kernel has some hundred
//! thousand types, of which the agent needs a dozen: parsing all takes longer than the verifier and
//! more memory than the agent.

use std::{fs::File, io, os::fd::AsRawFd as _};

use btf_rs::{Backend, Btf};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// BTF of the kernel itself.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// BTF of conntrack, which distributions build as a module.
const NF_CONNTRACK: &str = "/sys/kernel/btf/nf_conntrack";

/// Why the kernel's types cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NoBtf {
    /// The file cannot be read; the kernel may lack it.
    #[error("read {VMLINUX}: the kernel must be built with CONFIG_DEBUG_INFO_BTF")]
    Read(#[source] io::Error),
    /// The BTF does not parse.
    #[error("parse {VMLINUX}")]
    Parse(#[source] btf_rs::Error),
}

/// The types of the kernel, and of conntrack where that is a module.
pub(super) struct KernelTypes {
    pub(super) vmlinux: Btf,
    /// `None` where conntrack is built in, so that its types are in `vmlinux`, or is not loaded.
    pub(super) conntrack: Option<Btf>,
}

impl KernelTypes {
    /// Opens the BTF.
    ///
    /// # Errors
    ///
    /// When the kernel carries no BTF.
    pub(super) fn open() -> Result<Self, NoBtf> {
        // The file cannot be mapped before kernel 6.16, a copy can.
        let copy = copy(VMLINUX).map_err(NoBtf::Read)?;
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let vmlinux = Btf::from_file_with_backend(path, Backend::Mmap).map_err(NoBtf::Parse)?;
        let conntrack = Btf::from_split_file(NF_CONNTRACK, &vmlinux).ok();
        Ok(Self { vmlinux, conntrack })
    }
}

/// A copy of a file in memory (memfd), which ends with its last descriptor and mapping.
fn copy(path: &str) -> io::Result<File> {
    let mut copy = File::from(memfd_create(c"btf", MFdFlags::MFD_CLOEXEC)?);
    io::copy(&mut File::open(path)?, &mut copy)?;
    Ok(copy)
}
