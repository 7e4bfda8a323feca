//! Chooses the exchanges whose hops have spans (`--detail auto`).
//!
//! In: ended exchanges with their paths. Out: whether there are hop spans, and why. It is decided
//! after the end, so no exchange that turns out slow is without its hops.

use std::{collections::HashMap, time::Duration};

use tracer_semconv::{HopName, Role, detail_reason};

use crate::{
    http::{Exchange, Leg},
    path::Path,
};

use super::{
    Edge,
    detail::{Detail, HopSpans},
    paths::Paths,
    running_quantile::RunningP99,
};

/// Bound on edges whose durations are known, about 1 KiB each. All others share one entry.
const MAX_EDGES: usize = 1_024;
/// What takes less is never slow, however unusual it is.
const NEVER_SLOW_NS: u64 = 100_000;
/// One exchange in so many has hop spans, whatever happens to it, unless another number is set.
pub const BASELINE: u32 = 100;

/// The settings of the choice, and what is usual on each edge.
#[derive(Debug)]
pub struct DetailChoice {
    detail: Detail,
    /// A path or hop that takes longer is slow; `None`: longer than 99 of 100 of its kind.
    slow_ns: Option<u64>,
    /// One exchange in so many; none for 0.
    baseline: u32,
    since_baseline: u32,
    usual: HashMap<Edge, Box<Usual>>,
    /// Of the edges beyond the bound.
    usual_of_others: Box<Usual>,
}

impl Default for DetailChoice {
    fn default() -> Self {
        Self {
            detail: Detail::default(),
            slow_ns: None,
            baseline: BASELINE,
            since_baseline: 0,
            usual: HashMap::new(),
            usual_of_others: Box::default(),
        }
    }
}

impl DetailChoice {
    /// Sets which exchanges have hop spans.
    pub fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// Sets from when on a path or a hop is slow.
    pub fn set_slow(&mut self, slow: Duration) {
        self.slow_ns = Some(u64::try_from(slow.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Sets that one exchange in `every` has hop spans in any case; none for 0.
    pub fn set_baseline(&mut self, every: u32) {
        self.baseline = every;
    }

    /// For a failed connect.
    pub(super) fn of_failure(&self) -> HopSpans {
        match self.detail {
            Detail::Path => HopSpans::No,
            Detail::Hop => HopSpans::Always,
            Detail::Auto => HopSpans::Because(detail_reason::ERROR),
        }
    }

    /// For an exchange. `edge` is looked up only where it matters.
    pub(super) fn choose(
        &mut self,
        exchange: &Exchange,
        paths: &Paths,
        edge: impl FnOnce() -> Edge,
    ) -> HopSpans {
        match self.detail {
            Detail::Path => HopSpans::No,
            Detail::Hop => HopSpans::Always,
            Detail::Auto => {
                let is_slow = self.is_slow(paths, edge);
                let reason = what_happened(exchange)
                    .or(is_slow.then_some(detail_reason::SLOW))
                    .or_else(|| self.is_baseline().then_some(detail_reason::BASELINE));
                if reason.is_some() {
                    self.since_baseline = 0;
                }
                reason.map_or(HopSpans::No, HopSpans::Because)
            }
        }
    }

    fn is_slow(&mut self, paths: &Paths, edge: impl FnOnce() -> Edge) -> bool {
        if let Some(slow_ns) = self.slow_ns {
            return durations(paths).any(|(_, duration_ns)| duration_ns > slow_ns);
        }
        let usual = self.usual(edge());
        let mut is_slow = false;
        for (kind, duration_ns) in durations(paths) {
            // Each duration is learned from, also behind the first slow one.
            let is_unusual = usual.0[kind].add(duration_ns);
            is_slow |= is_unusual && duration_ns >= NEVER_SLOW_NS;
        }
        is_slow
    }

    fn usual(&mut self, edge: Edge) -> &mut Usual {
        if self.usual.len() >= MAX_EDGES && !self.usual.contains_key(&edge) {
            return &mut self.usual_of_others;
        }
        self.usual.entry(edge).or_default()
    }

    fn is_baseline(&mut self) -> bool {
        self.since_baseline = self.since_baseline.saturating_add(1);
        self.baseline != 0 && self.since_baseline >= self.baseline
    }
}

/// The kinds of durations on an edge: of each path, and of its hops by name.
const KINDS: usize = PATHS * (1 + HopName::ALL.len());
const PATHS: usize = 3;

/// What is usual on an edge, by kind.
#[derive(Debug)]
struct Usual([RunningP99; KINDS]);

impl Default for Usual {
    fn default() -> Self {
        Self([RunningP99::default(); KINDS])
    }
}

/// The durations of the paths and their hops, each with its kind. The time of the other node, and
/// that in which the server still sends, is not of this node's data plane.
fn durations(paths: &Paths) -> impl Iterator<Item = (usize, u64)> {
    paths.all().flat_map(|(role, path)| {
        let first = match role {
            Role::Connect => 0,
            Role::Request => KINDS / PATHS,
            _ => 2 * KINDS / PATHS,
        };
        let hops = measured(path).map(move |(name, duration_ns)| {
            // The position in `HopName::ALL`.
            (first + 1 + name as usize, duration_ns)
        });
        let total_ns = measured(path).map(|(_, duration_ns)| duration_ns).sum();
        [(first, total_ns)].into_iter().chain(hops)
    })
}

fn measured(path: &Path) -> impl Iterator<Item = (HopName, u64)> {
    let of_others = |name| matches!(name, HopName::Wire | HopName::Body);
    let hops = path.hops.iter().filter(move |hop| !of_others(hop.name));
    hops.map(|hop| (hop.name, hop.duration_ns()))
}

/// The reason for hop spans that is not a duration.
fn what_happened(exchange: &Exchange) -> Option<&'static str> {
    let any = |is: &dyn Fn(&Leg) -> bool| exchange.legs().any(is);
    let reasons = [
        (
            exchange.has_failed() || exchange.response.is_none(),
            detail_reason::ERROR,
        ),
        (any(&|leg| leg.dropped().is_some()), detail_reason::DROP),
        (
            any(&|leg| !leg.earlier.is_empty()),
            detail_reason::RETRANSMISSION,
        ),
        (
            any(&|leg| !leg.zero_windows.is_empty()),
            detail_reason::ZERO_WINDOW,
        ),
    ];
    reasons
        .into_iter()
        .find_map(|(is, reason)| is.then_some(reason))
}

#[cfg(test)]
mod tests;
