//! The names of the reasons for which the running kernel drops packets.
//!
//! In: the kernel's BTF. Out: `DropReasons`; empty before kernel 5.17, which has no reasons.

use std::collections::BTreeMap;

use btf_rs::{Btf, BtfType, Type};
use tracer_pipeline::decode::DropReasons;

use super::kernel_types::KernelTypes;

/// The prefix of the enumerators, except of the two bounds.
const PREFIX: &str = "SKB_DROP_REASON_";
/// The prefix of the subsystems' enumerators.
const SUBSYSTEM_PREFIX: &str = "SKB_DROP_REASON_SUBSYS_";

/// Reads the names.
pub(super) fn read(types: &KernelTypes) -> DropReasons {
    let btf = &types.vmlinux;
    let mut reasons = enumerators(btf, "skb_drop_reason", PREFIX);
    // Bounds, not reasons (kernel: include/net/dropreason-core.h).
    reasons.retain(|_, name| !matches!(name.as_str(), "MAX" | "SUBSYS_MASK"));
    let mut subsystems = enumerators(btf, "skb_drop_reason_subsys", SUBSYSTEM_PREFIX);
    subsystems.retain(|_, name| name != "NUM");
    DropReasons {
        reasons,
        subsystems,
    }
}

fn enumerators(btf: &Btf, name: &str, prefix: &str) -> BTreeMap<u32, String> {
    let found = btf.resolve_types_by_name(name).unwrap_or_default();
    let Some(Type::Enum(found)) = found.iter().find(|found| matches!(found, Type::Enum(_))) else {
        return BTreeMap::new();
    };
    let named = found.members.iter().filter_map(|member| {
        let name = name_of(btf, member)?;
        let short = name.strip_prefix(prefix).unwrap_or(&name);
        Some((member.val(), short.to_owned()))
    });
    named.collect()
}

fn name_of(btf: &Btf, member: &dyn BtfType) -> Option<String> {
    btf.resolve_name(member).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernels_reasons_have_names() {
        let Ok(types) = KernelTypes::open() else {
            println!("SKIP the_running_kernels_reasons_have_names: no kernel BTF here");
            return;
        };
        let reasons = read(&types);
        if reasons.reasons.is_empty() {
            println!("SKIP the_running_kernels_reasons_have_names: this kernel has no reasons");
            return;
        }
        let names: Vec<&str> = reasons.reasons.values().map(String::as_str).collect();
        for wanted in ["NOT_SPECIFIED", "NO_SOCKET", "NETFILTER_DROP"] {
            assert!(names.contains(&wanted), "{wanted} is not in {names:?}");
        }
        assert!(names.iter().all(|name| !name.starts_with(PREFIX)));
    }
}
