//! How the agent's needs grow. In: more and more pods, services, open connections, and the same load
//! beside them. Out: processor time for each exchange, memory, time to start. No budget is about it.

mod place;

use anyhow::Result;

use super::outcome::{Outcome, Unit};
use super::root::Bench;
use super::start::{MEBIBYTE, milliseconds};
use super::statistics::Spread;
use crate::table::Table;
use place::{Place, Size};

const PODS: [u32; 4] = [1, 10, 50, 200];
const SERVICES: [u32; 4] = [10, 100, 1_000, 5_000];
const CONNECTIONS: [u32; 4] = [1, 100, 10_000, 50_000];
/// Of each, for a look at whether it works.
const QUICK: usize = 2;
/// A point is measured no more often than this: there are many, and no verdicts.
const MOST_ROUNDS: u32 = 3;

/// What was measured at one size.
#[derive(Debug, Clone, Copy)]
struct Point {
    attached_ms: f64,
    cpu_us: f64,
    idle_mib: f64,
    peak_mib: f64,
    lost: f64,
}

/// One number of a point.
type Quantity = (&'static str, Unit, fn(&Point) -> f64);

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    Pods,
    Services,
    Connections,
}

impl Axis {
    const ALL: [Self; 3] = [Self::Pods, Self::Services, Self::Connections];

    const fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Services => "services",
            Self::Connections => "connections",
        }
    }

    const fn sizes(self) -> [u32; 4] {
        match self {
            Self::Pods => PODS,
            Self::Services => SERVICES,
            Self::Connections => CONNECTIONS,
        }
    }

    /// With one of the three at this size.
    fn at(self, size: u32) -> Size {
        let one = Size::default();
        match self {
            Self::Pods => Size { pods: size, ..one },
            Self::Services => Size {
                services: size,
                ..one
            },
            Self::Connections => Size {
                connections: size,
                ..one
            },
        }
    }
}

/// Measures.
///
/// # Errors
/// When something does not start, or fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::new("scale");
    outcome.tabulated = true;
    for axis in Axis::ALL {
        let sizes = axis.sizes();
        let sizes = if bench.is_quick() {
            &sizes[..QUICK]
        } else {
            &sizes[..]
        };
        let title = format!("scale: {}", axis.name());
        let columns = [
            axis.name(),
            "CPU per exchange, µs",
            "RSS idle, MiB",
            "RSS peak, MiB",
            "start, ms",
            "lost",
        ];
        let mut table = Table::new(&title, &columns);
        for size in sizes {
            let mut points = Vec::new();
            for round in 0..bench.rounds().min(MOST_ROUNDS) {
                bench.round(round, &format!("{size} {}", axis.name()));
                points.push(point(bench, axis.at(*size))?);
            }
            add(&mut outcome, &mut table, (axis, *size), &points);
        }
        outcome.tables.push(table);
    }
    outcome.note(format!(
        "Medians of {} rounds. The load is {} exchanges a second on {} connections, all exported; idle is after whatever grows is there and before the load. Connections are held open, one in {} has carried a request.",
        bench.rounds().min(MOST_ROUNDS),
        place::RATE,
        place::LOAD_CONNECTIONS,
        place::ASKED_OF
    ));
    Ok(outcome)
}

fn point(bench: &Bench<'_>, size: Size) -> Result<Point> {
    let place = Place::start(bench, size)?;
    let (agent, held) = place.agent(bench)?;
    let attached_ms = milliseconds(agent.attached_after);
    let idle_mib = agent.rss_bytes()? as f64 / MEBIBYTE;
    let (before, cpu) = (place.totals()?, agent.cpu()?);
    let requests = place.load(bench)?;
    let cpu = agent.cpu()? - cpu;
    let peak_mib = agent.peak_rss_bytes()? as f64 / MEBIBYTE;
    let report = agent.finish()?;
    let came = place.totals()?.since(before);
    drop(held);
    let missing = requests.saturating_sub(came.exchanges);
    let lost = report.lost_in_kernel()? + report.spans_lost()? + missing;
    Ok(Point {
        attached_ms,
        cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64,
        idle_mib,
        peak_mib,
        lost: lost as f64,
    })
}

fn add(outcome: &mut Outcome, table: &mut Table, (axis, size): (Axis, u32), points: &[Point]) {
    let quantities: [Quantity; 5] = [
        ("cpu", Unit::Microseconds, |point| point.cpu_us),
        ("idle_rss", Unit::Mebibytes, |point| point.idle_mib),
        ("peak_rss", Unit::Mebibytes, |point| point.peak_mib),
        ("attached", Unit::Milliseconds, |point| point.attached_ms),
        ("lost", Unit::Count, |point| point.lost),
    ];
    let mut row = vec![size.to_string()];
    for (key, unit, value) in quantities {
        let values: Vec<f64> = points.iter().map(value).collect();
        let median = Spread::of(&values).map(|spread| unit.write(spread.median));
        row.push(median.unwrap_or_else(|| "-".to_owned()));
        let name = axis.name();
        let what = format!("{size} {name}: {key}");
        outcome.figure(&format!("{name}.{size}.{key}"), &what, unit, values);
    }
    table.row(row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_grows_at_a_time() {
        let one = Size::default();
        for axis in Axis::ALL {
            let least = axis.sizes()[0];
            let most = axis.sizes()[3];
            assert!(least < most);
            let size = axis.at(most);
            let grown = [
                size.pods != one.pods,
                size.services != one.services,
                size.connections != one.connections,
            ];
            assert_eq!(grown.iter().filter(|grown| **grown).count(), 1, "{axis:?}");
        }
    }
}
