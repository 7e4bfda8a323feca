//! Why the agent cannot attach.

use std::path::PathBuf;

use aya::programs::ProgramError;
use tracer_common::hook::Hook;

use super::{NETNS, NoBtf, UplinkSocketError, candidates::AttachPoint};

/// Why the agent sees no journeys.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The kernel's BTF cannot be read.
    #[error(transparent)]
    NoBtf(#[from] NoBtf),
    /// The kernel lacks a structure field that every program needs.
    #[error("kernel structure field {0} not found in BTF: this kernel is not supported")]
    Field(String),
    /// The kernel refuses the object or its maps.
    #[error("load the kernel programs (needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN)")]
    Load(#[from] aya::EbpfError),
    /// aya cannot read the BTF.
    #[error("read the kernel's BTF")]
    Btf(#[from] aya::BtfError),
    /// The cgroup cannot be opened.
    #[error("open cgroup {path}: it must be a directory of a cgroup v2 file system")]
    Cgroup {
        /// The directory, as given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The agent's network namespace cannot be read.
    #[error("read {NETNS}: /proc must be mounted")]
    Netns(#[source] std::io::Error),
    /// The programs' log cannot be read.
    #[error("read the log of the kernel programs")]
    Log(#[from] aya_log::Error),
    /// This process may not do what loading and attaching need.
    #[error(
        "attach without {}: run as root, or add it to the container's securityContext.capabilities.add",
        missing.join(", ")
    )]
    Capabilities {
        /// The names of the capabilities.
        missing: Vec<&'static str>,
        /// What the kernel refused.
        #[source]
        source: Box<AttachError>,
    },
    /// A hook without which no journey opens or ends is refused.
    #[error("attach {0} (needs CAP_BPF and CAP_NET_ADMIN)", hook.name())]
    Necessary {
        /// The hook.
        hook: Hook,
        /// The cause.
        #[source]
        source: Refusal,
    },
}

/// Why a program does not serve its hook.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The program is refused, or the tracepoint does not exist.
    #[error("{tracepoint}")]
    Tracepoint {
        /// The tracepoint.
        tracepoint: &'static str,
        /// The cause.
        #[source]
        source: ProgramError,
    },
    /// The program is refused.
    #[error(transparent)]
    Program(ProgramError),
    /// The socket that it attaches to is refused.
    #[error(transparent)]
    UplinkSocket(#[from] UplinkSocketError),
}

impl Refusal {
    pub(super) fn of(point: AttachPoint, source: ProgramError) -> Self {
        match point {
            AttachPoint::Tracepoint(tracepoint) => Self::Tracepoint { tracepoint, source },
            AttachPoint::Cgroup(_) | AttachPoint::Uplink | AttachPoint::UplinkBy(_) => {
                Self::Program(source)
            }
        }
    }
}
