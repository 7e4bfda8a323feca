//! How the agent's needs grow. In: more and more pods, services, open connections, and the same
//! load beside them. Out: processor time for each exchange, memory, time to start. No budget is
//! about it.

mod fixture;

use anyhow::Result;

use super::outcome::{Outcome, Unit, mebibytes, milliseconds};
use super::settings::Settings;
use super::statistics::Spread;
use crate::table::Table;
use fixture::{ScaleFixture, Size};

/// Of each axis, for a quick run.
const QUICK_SIZES: usize = 2;
/// There are many points, and no verdicts about them.
const MAX_ROUNDS: u32 = 3;

/// What was measured at one size, in the order of [`QUANTITIES`].
type Point = [f64; QUANTITIES.len()];

/// Key, column, and unit of each number of a point.
const QUANTITIES: [(&str, &str, Unit); 5] = [
    ("cpu", "CPU per exchange, µs", Unit::Microseconds),
    ("idle_rss", "RSS idle, MiB", Unit::Mebibytes),
    ("peak_rss", "RSS peak, MiB", Unit::Mebibytes),
    ("attached", "start, ms", Unit::Milliseconds),
    ("lost", "lost", Unit::Count),
];

/// What grows: its name, its sizes, and a node with so many.
type Axis = (&'static str, [u32; 4], fn(u32) -> Size);

const AXES: [Axis; 3] = [
    ("pods", [1, 10, 50, 200], |pods| Size {
        pods,
        ..Size::LEAST
    }),
    ("services", [10, 100, 1_000, 5_000], |services| Size {
        services,
        ..Size::LEAST
    }),
    ("connections", [1, 100, 10_000, 50_000], |connections| {
        Size {
            connections,
            ..Size::LEAST
        }
    }),
];

/// Measures.
///
/// # Errors
/// When something does not start, or fails.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let mut outcome = Outcome::new("scale");
    outcome.tabulated = true;
    let rounds = settings.rounds.min(MAX_ROUNDS);
    for (axis, sizes, size_with) in AXES {
        let mut columns = vec![axis];
        columns.extend(QUANTITIES.map(|(_, column, _)| column));
        let mut table = Table::new(&format!("scale: {axis}"), &columns);
        let count = if settings.is_quick {
            QUICK_SIZES
        } else {
            sizes.len()
        };
        for size in sizes.into_iter().take(count) {
            let mut points = Vec::new();
            for round in 0..rounds {
                settings.note_round(round, &format!("{size} {axis}"));
                points.push(point(settings, size_with(size))?);
            }
            table.row(add(&mut outcome, axis, size, &points));
        }
        outcome.tables.push(table);
    }
    outcome.note(format!(
        "Medians of {rounds} rounds. The load is {} exchanges a second on {} connections, all exported; idle is after whatever grows is there and before the load. Connections are held open, one in {} has carried a request.",
        fixture::RATE,
        fixture::LOAD_CONNECTIONS,
        fixture::REQUEST_EVERY
    ));
    Ok(outcome)
}

fn point(settings: &Settings, size: Size) -> Result<Point> {
    let fixture = ScaleFixture::start(settings, size)?;
    let (agent, held) = fixture.agent(settings)?;
    let idle_rss = agent.rss_bytes()?;
    let (before, cpu) = (fixture.receiver.totals()?, agent.cpu_time()?);
    let requests = fixture.load(settings)?;
    let cpu = agent.cpu_time()? - cpu;
    let peak_rss = agent.peak_rss_bytes()?;
    let ready_after = agent.ready_after;
    let report = agent.finish()?;
    let exported = fixture.receiver.totals()?.since(before).exchanges;
    drop(held);
    let missing = requests.saturating_sub(exported);
    let lost = report.lost_in_kernel()? + report.spans_lost()? + missing;
    Ok([
        cpu.as_secs_f64() * 1e6 / requests as f64,
        mebibytes(idle_rss),
        mebibytes(peak_rss),
        milliseconds(ready_after),
        lost as f64,
    ])
}

/// Adds the figures of one size; returns its row in the table.
fn add(outcome: &mut Outcome, axis: &str, size: u32, points: &[Point]) -> Vec<String> {
    let mut row = vec![size.to_string()];
    for (index, (key, _, unit)) in QUANTITIES.into_iter().enumerate() {
        let values: Vec<f64> = points.iter().map(|point| point[index]).collect();
        let median = Spread::of(&values).map(|spread| unit.write(spread.median));
        row.push(median.unwrap_or_else(|| "-".to_owned()));
        let what = format!("{size} {axis}: {key}");
        outcome.figure(&format!("{axis}.{size}.{key}"), &what, unit, values);
    }
    row
}
