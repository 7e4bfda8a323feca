//! Everything that reads the kernel while the agent runs.
//!
//! In: the maps of the attached programs, the clocks. Out: raw records, in one stream, as bytes;
//! and the programs' counters. Decodes nothing.

mod clock;
mod counters;
pub mod recording;
mod ring;
mod sweep;

pub use clock::sample as clock_sample;
pub use counters::{Counters, Totals};
pub use ring::Ring;
pub use sweep::{Occupancy, Sweep};

/// A map that the programs share with user space cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open kernel map {name}: it is not what this agent's programs make")]
pub struct MapError {
    /// Which.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: Option<aya::maps::MapError>,
}
