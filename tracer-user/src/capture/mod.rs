//! Reads the maps of the attached programs, and the clocks.
//!
//! In: the programs' maps, the kernel's clocks. Out: raw records as bytes, in one stream; the
//! programs' counters; clock samples. Decodes no record.

mod clock;
mod counters;
mod device_record;
mod edge;
mod entry_counts;
mod journey_table;
mod keys;
mod map_batch;
mod map_value;
mod occupancy;
mod pair_losses;
mod recent_peak;
mod ring;
mod ring_positions;
mod watch_switch;

use aya::maps::Map;

pub(crate) use clock::now_ns;
pub use clock::sample as clock_sample;
pub use counters::{Counters, Totals};
pub use device_record::device_record;
pub use edge::EdgeLimiter;
pub use entry_counts::EntryCounts;
pub use journey_table::JourneyTable;
pub use occupancy::Occupancy;
pub use pair_losses::{PairLoss, PairLosses};
pub use ring::{Ring, RingError};
pub use watch_switch::WatchSwitch;

/// A map that the programs share with user space cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open kernel map {name}: it differs from the map of this agent's programs")]
pub struct MapError {
    /// The map's name.
    pub name: &'static str,
    /// The cause; `None` if the programs have no such map.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MapError {
    /// The error of a map with this cause.
    fn of(name: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = Some(source.into());
        Self { name, source }
    }
}

/// A map of the programs, as its type.
///
/// # Errors
///
/// If the programs have no such map, or it has another type.
fn typed<T>(map: Option<Map>, name: &'static str) -> Result<T, MapError>
where
    T: TryFrom<Map, Error = aya::maps::MapError>,
{
    let map = map.ok_or(MapError { name, source: None })?;
    T::try_from(map).map_err(|error| MapError::of(name, error))
}
