//! Why nothing can be seen at all.

use std::path::PathBuf;

use aya::programs::ProgramError;
use tracer_common::hook::Hook;

use super::{NETNS, NoBtf, UplinkSocketError, candidates::AttachPoint};

/// Why nothing can be seen.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// No kernel BTF.
    #[error(transparent)]
    NoBtf(#[from] NoBtf),
    /// A structure field that every program needs is not in this kernel.
    #[error("kernel structure field {0} not found in BTF: this kernel is not supported")]
    Field(String),
    /// The object or its maps were refused.
    #[error("load the kernel programs (needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN)")]
    Load(#[from] aya::EbpfError),
    /// aya cannot read the BTF.
    #[error("read the kernel's BTF")]
    Btf(#[from] aya::BtfError),
    /// The cgroup cannot be opened.
    #[error("open cgroup {path}: it must be a directory of a cgroup v2 file system")]
    Cgroup {
        /// As given.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The network namespace that the agent is in cannot be told.
    #[error("read {NETNS}: /proc must be mounted")]
    Netns(#[source] std::io::Error),
    /// The programs' log cannot be read.
    #[error("read the log of the kernel programs")]
    Log(#[from] aya_log::Error),
    /// One of the hooks without which no journey opens or ends.
    #[error("attach {0} (needs CAP_BPF and CAP_NET_ADMIN)", hook.name())]
    Necessary {
        /// Which.
        hook: Hook,
        /// Why.
        #[source]
        source: Refusal,
    },
}

/// Why a program does not serve its hook.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is refused, or the tracepoint is not there.
    #[error("{tracepoint}")]
    Tracepoint {
        /// Its name.
        tracepoint: &'static str,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// It is refused.
    #[error(transparent)]
    Program(ProgramError),
    /// What it attaches to is.
    #[error(transparent)]
    UplinkSocket(#[from] UplinkSocketError),
}

impl Refusal {
    pub(super) fn of(point: AttachPoint, source: ProgramError) -> Self {
        match point {
            AttachPoint::Tracepoint(tracepoint) => Self::Tracepoint { tracepoint, source },
            AttachPoint::Cgroup(_) | AttachPoint::Uplink => Self::Program(source),
        }
    }
}
