//! The programs and counters of one agent, among all of the kernel.
//!
//! In: a process id. Out: run times by hook, and counters by name. The agent's programs end with it
//! all the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    maps::{Map, MapData, MapInfo, PerCpuArray},
    programs::loaded_programs,
};
use tracer_common::{
    counter::{Counter, SLOTS},
    hook::Hook,
};

use super::runs::Runs;

/// The agent's map of counters.
const COUNTERS: &str = "COUNTERS";
/// kernel: BPF_OBJ_NAME_LEN, without the NUL.
const NAME_BYTES: usize = 15;

/// The programs and counters of an agent.
pub(super) struct OfAgent {
    programs: BTreeSet<u32>,
    counters: PerCpuArray<MapData, u64>,
}

impl OfAgent {
    /// Finds them by the descriptors of the process.
    ///
    /// # Errors
    /// When the process has ended, or is no agent.
    pub(super) fn find(pid: u32) -> Result<Self> {
        let programs = held(pid, "prog_id:")?;
        ensure!(!programs.is_empty(), "process {pid} holds no programs");
        let maps = held(pid, "map_id:")?;
        let is_counters =
            |id: &u32| MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some(COUNTERS));
        let id = maps.into_iter().find(is_counters);
        let id = id.with_context(|| format!("process {pid} holds no map {COUNTERS}"))?;
        let map = MapData::from_id(id).context("open the agent's counters")?;
        let counters = PerCpuArray::try_from(Map::PerCpuArray(map));
        Ok(Self {
            programs,
            counters: counters.context("read the agent's counters")?,
        })
    }

    /// The runs of each hook's program.
    ///
    /// # Errors
    /// When a program is of no known hook.
    pub(super) fn runs(&self) -> Result<BTreeMap<&'static str, Runs>> {
        let mut runs = BTreeMap::new();
        for info in loaded_programs() {
            // An error means that a program of another process has ended.
            let Ok(info) = info else { continue };
            if !self.programs.contains(&info.id()) {
                continue;
            }
            let name = info.name_as_str().unwrap_or_default();
            let hook = hook(name).with_context(|| format!("program {name:?} serves no hook"))?;
            let of_hook: &mut Runs = runs.entry(hook.name()).or_default();
            of_hook.add(&info);
        }
        Ok(runs)
    }

    /// The counters of the programs: packets of interest by hook, and journeys by how they ended.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub(super) fn counters(&self) -> Result<BTreeMap<&'static str, u64>> {
        let mut slots = Vec::new();
        for slot in 0..SLOTS {
            let cpus = self.counters.get(&slot, 0).context("read a counter")?;
            slots.push(cpus.iter().sum());
        }
        let of = |slot: u32| slots.get(slot as usize).copied().unwrap_or(0);
        let hits = Hook::ALL
            .into_iter()
            .map(|hook| (hook.name(), of(hook as u32)));
        let others = Counter::ALL
            .into_iter()
            .map(|counter| (counter.name(), of(counter.index())));
        Ok(hits.chain(others).collect())
    }
}

/// The ids on lines that begin with `key`, for all descriptors of a process (kernel:
/// bpf_prog_show_fdinfo, bpf_map_show_fdinfo, bpf_link_show_fdinfo).
fn held(pid: u32, key: &str) -> Result<BTreeSet<u32>> {
    let directory = format!("/proc/{pid}/fdinfo");
    let entries = fs::read_dir(&directory).with_context(|| format!("read {directory}"))?;
    // The process may close a descriptor meanwhile.
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    Ok(texts.filter_map(|text| number(&text, key)).collect())
}

fn number(text: &str, key: &str) -> Option<u32> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().parse().ok()
}

/// The hook of a program with this name: the name is the hook's, or a fallback's, which begins with
/// the hook's; the kernel has cut it to 15 bytes.
fn hook(program: &str) -> Option<Hook> {
    let kept = |hook: &Hook| {
        let name = hook.name();
        name.get(..NAME_BYTES).unwrap_or(name)
    };
    Hook::ALL
        .into_iter()
        .find(|hook| program.starts_with(kept(hook)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_their_cut_names() {
        for hook_of in Hook::ALL {
            let name = hook_of.name();
            let kept = name.get(..NAME_BYTES).unwrap_or(name);
            assert_eq!(hook(kept), Some(hook_of), "{kept}");
        }
        assert_eq!(hook("cgroup_egress_f"), Some(Hook::CgroupEgress));
        assert_eq!(hook("socket_read_fal"), Some(Hook::SocketRead));
        assert_eq!(hook("other"), None);
    }

    #[test]
    fn ids_are_read_from_fdinfo() {
        let text = "pos:\t0\nlink_type:\traw_tracepoint\nlink_id:\t7\nprog_id:\t42\n";
        assert_eq!(number(text, "prog_id:"), Some(42));
        assert_eq!(number(text, "map_id:"), None);
    }
}
