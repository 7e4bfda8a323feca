//! The programs' counters.

use std::collections::BTreeMap;

use aya::maps::{Map, MapData, PerCpuArray};
use tracer_common::{
    counter::{Counter, SLOTS},
    hook::Hook,
};

use super::{MapError, typed};

/// The programs' counters, one set per CPU.
pub struct Counters(PerCpuArray<MapData, u64>);

/// The counters, added up over the CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Packets of interest at each hook.
    pub hits: BTreeMap<&'static str, u64>,
    /// Journeys and losses.
    pub journeys: BTreeMap<&'static str, u64>,
}

impl Counters {
    /// The name of the programs' map.
    pub const MAP: &str = "COUNTERS";

    /// The counters in this map.
    ///
    /// # Errors
    ///
    /// If the map is not a per-CPU array.
    pub fn new(map: Option<Map>) -> Result<Self, MapError> {
        typed(map, Self::MAP).map(Self)
    }

    /// The totals. The last slots are read first: the opening of a journey that ends meanwhile is
    /// counted, too.
    pub fn read(&self) -> Totals {
        let mut slots: Vec<u64> = (0..SLOTS).rev().map(|slot| self.slot(slot)).collect();
        slots.reverse();
        let of = |index: usize| slots.get(index).copied().unwrap_or(0);
        Totals {
            hits: Hook::ALL
                .map(|hook| (hook.name(), of(hook as usize)))
                .into(),
            journeys: Counter::ALL
                .map(|counter| (counter.name(), of(counter.index() as usize)))
                .into(),
        }
    }

    /// The sum over the CPUs, which count meanwhile; the kernel copies each count as one word
    /// (kernel: bpf_long_memcpy).
    fn slot(&self, slot: u32) -> u64 {
        self.0.get(&slot, 0).map_or(0, |cpus| cpus.iter().sum())
    }
}

impl Totals {
    /// One of the journey counters.
    pub fn get(&self, counter: Counter) -> u64 {
        self.journeys.get(counter.name()).copied().unwrap_or(0)
    }

    /// Records and journeys that were lost, most of them for lack of room, by reason.
    pub fn losses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Counter::ALL
            .into_iter()
            .filter_map(|counter| Some((counter.loss()?, self.get(counter))))
    }

    /// The sum of all losses.
    pub fn lost(&self) -> u64 {
        self.losses().map(|(_, count)| count).sum()
    }

    /// Journeys whose packet left the programs' sight, for example to a socket outside the cgroup,
    /// and whose address another packet has since had.
    pub fn out_of_sight(&self) -> u64 {
        self.get(Counter::Replaced) + self.get(Counter::Mismatched)
    }
}
