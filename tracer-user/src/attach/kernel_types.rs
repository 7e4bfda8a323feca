//! The types of the running kernel, for whoever looks up a few of them.
//!
//! In: /sys/kernel/btf. Out: `Btf` that is searched where it lies: the kernel has some hundred thousand
//! types, of which the agent needs a dozen, and to parse them all takes longer than the verifier and
//! more memory than the agent.

use std::{fs::File, io, os::fd::AsRawFd as _};

use btf_rs::{Backend, Btf};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// BTF of the kernel itself.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// BTF of conntrack where distributions build it as a module.
const NF_CONNTRACK: &str = "/sys/kernel/btf/nf_conntrack";

/// Why there are no types.
#[derive(Debug, thiserror::Error)]
pub enum NoBtf {
    /// The kernel has none.
    #[error("read {VMLINUX}: the kernel must be built with CONFIG_DEBUG_INFO_BTF")]
    Read(#[source] io::Error),
    /// They are not as this agent knows them.
    #[error("understand {VMLINUX}")]
    Parse(#[source] btf_rs::Error),
}

/// The types of the kernel, and of conntrack where that is a module of its own.
pub(super) struct KernelTypes {
    pub(super) vmlinux: Btf,
    /// `None` where it is built in, and its types are the kernel's, or not loaded.
    pub(super) conntrack: Option<Btf>,
}

impl KernelTypes {
    /// Opens them.
    ///
    /// # Errors
    ///
    /// When the kernel carries no BTF.
    pub(super) fn open() -> Result<Self, NoBtf> {
        // Before kernel 6.16 the file cannot be mapped; a copy of it always can.
        let copy = copy(VMLINUX).map_err(NoBtf::Read)?;
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let vmlinux = Btf::from_file_with_backend(path, Backend::Mmap).map_err(NoBtf::Parse)?;
        let conntrack = Btf::from_split_file(NF_CONNTRACK, &vmlinux).ok();
        Ok(Self { vmlinux, conntrack })
    }
}

/// A copy of a file, without a name, that is gone with its last descriptor and mapping.
fn copy(path: &str) -> io::Result<File> {
    let mut copy = File::from(memfd_create(c"btf", MFdFlags::MFD_CLOEXEC)?);
    io::copy(&mut File::open(path)?, &mut copy)?;
    Ok(copy)
}
