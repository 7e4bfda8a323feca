//! Checks of the kernel: its release, its types, its lockdown, and the eBPF features that the
//! programs use.

use std::{fs, io};

use aya::{
    maps::MapType,
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported, is_map_supported},
};

use crate::attach::unknown_fields;

use super::check::Check;

/// The oldest kernel that is supported: it has ring buffers, links of cgroup programs and
/// `bpf_probe_read_kernel`, and is the oldest long-term release in use.
const OLDEST: (u32, u32) = (5, 15);
/// The release with the newest feature that hopspan uses: netfilter programs.
const BEST: &str = "6.4";
const EVERYTHING: &str = "everything";

/// The kernel's release, as `uname -r` prints it.
pub(super) fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Checks whether the kernel is supported.
pub(super) fn version(release: &str) -> Check {
    const NAME: &str = "kernel";
    let mut numbers = release.split(|char: char| !char.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    let version = number().zip(number());
    match version {
        Some(version) if version >= OLDEST => Check::good(NAME, release),
        _ => Check::missing(
            NAME,
            release,
            "what older kernels lack: see the hooks below",
            format!(
                "boot {}.{} or newer; {BEST} or newer has every hook",
                OLDEST.0, OLDEST.1
            ),
        ),
    }
}

/// Checks whether the kernel's types have every field that the programs need.
pub(super) fn types() -> Check {
    const NAME: &str = "btf";
    match unknown_fields() {
        Ok(fields) => judge_fields(&fields),
        Err(error) => Check::missing(
            NAME,
            error.to_string(),
            EVERYTHING,
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as stock kernels are; in a container, mount /sys",
        ),
    }
}

/// Leaves out conntrack's fields, which `network::conntrack` checks.
fn judge_fields(unknown: &[String]) -> Check {
    let unknown: Vec<&str> = unknown
        .iter()
        .map(String::as_str)
        .filter(|field| !super::network::is_conntrack(field))
        .collect();
    if unknown.is_empty() {
        return Check::good("btf", "/sys/kernel/btf/vmlinux has every field");
    }
    Check::missing(
        "btf",
        format!("no such fields: {}", unknown.join(", ")),
        EVERYTHING,
        "this kernel is not supported: report it with `uname -r`",
    )
}

/// Checks whether lockdown forbids programs to read kernel memory. `None` on kernels without
/// lockdown.
pub(super) fn lockdown() -> Option<Check> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    Some(judge_lockdown(&text))
}

/// The file lists the modes in one line, the current one in brackets.
fn judge_lockdown(text: &str) -> Check {
    const NAME: &str = "lockdown";
    let mode = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("unknown", |(mode, _)| mode);
    // kernel: LOCKDOWN_BPF_READ_KERNEL comes before LOCKDOWN_CONFIDENTIALITY_MAX.
    if mode == "confidentiality" {
        return Check::missing(
            NAME,
            mode,
            "everything: programs may not read kernel memory",
            "boot with lockdown=integrity",
        );
    }
    Check::good(NAME, mode)
}

/// Checks for ring buffers (5.8), through which all records leave the kernel.
pub(super) fn ring_buffer() -> Check {
    const NAME: &str = "ring_buffer";
    probed(
        NAME,
        is_map_supported(MapType::RingBuf).map_err(io::Error::other),
        EVERYTHING,
        "boot 5.8 or newer",
    )
}

/// Checks for `bpf_loop` (5.17), by which the programs step through the frames of a packet.
pub(super) fn bpf_loop() -> Check {
    let supported = is_helper_supported(ProgramType::CgroupSkb, BpfHelper::BPF_FUNC_loop);
    probed(
        "bpf_loop",
        supported.map_err(io::Error::other),
        "HTTP/2 and gRPC: only HTTP/1 is followed",
        "boot 5.17 or newer",
    )
}

fn probed(
    name: &'static str,
    supported: io::Result<bool>,
    lost: &'static str,
    remedy: &'static str,
) -> Check {
    match supported {
        Ok(true) => Check::good(name, "supported"),
        Ok(false) => Check::missing(name, "not supported by this kernel", lost, remedy),
        Err(error) => Check::missing(
            name,
            format!("cannot be probed: {error}"),
            lost,
            "give the process CAP_BPF",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    #[test]
    fn kernels_from_5_15_on_are_supported() {
        let check = |release: &str, expected: State| {
            assert_eq!(version(release).state, expected, "{release}");
        };
        check("5.15.0-130-generic", State::Good);
        check("6.18.44", State::Good);
        check("5.14.21-150500-default", State::Missing);
        check("4.19.0", State::Missing);
        check("unknown", State::Missing);
    }

    #[test]
    fn only_the_strictest_lockdown_is_missing() {
        let check = |text: &str, found: &str, state: State| {
            let check = judge_lockdown(text);
            assert_eq!((check.found.as_str(), check.state), (found, state));
        };
        check("[none] integrity confidentiality\n", "none", State::Good);
        check(
            "none [integrity] confidentiality\n",
            "integrity",
            State::Good,
        );
        check(
            "none integrity [confidentiality]\n",
            "confidentiality",
            State::Missing,
        );
    }

    #[test]
    fn fields_of_conntrack_are_left_out() {
        let of = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            judge_fields(&fields)
        };
        assert_eq!(of(&[]).state, State::Good);
        assert_eq!(of(&["nf_conn.tuplehash"]).state, State::Good);
        let check = of(&["sk_buff.dev", "nf_conn.tuplehash"]);
        assert_eq!(check.state, State::Missing);
        assert_eq!(check.found, "no such fields: sk_buff.dev");
    }
}
