//! Everything that reads the kernel while the agent runs.
//!
//! In: the maps of the attached programs, the clocks, netfilter's rules. Out: raw records, in one
//! stream, as bytes; the programs' counters; rules as the kernel has them. Decodes nothing.

mod clock;
mod counters;
mod device_record;
mod edge;
mod journey_table;
mod map_value;
mod ring;

pub use clock::sample as clock_sample;
pub use counters::{Counters, Totals};
pub use device_record::device_record;
pub use edge::EdgeLimiter;
pub use journey_table::{JourneyTable, Occupancy};
pub use ring::{Ring, RingError};

/// A map that the programs share with user space cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open kernel map {name}: it is not what this agent's programs make")]
pub struct MapError {
    /// Which.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl MapError {
    /// The programs have no such map.
    fn missing(name: &'static str) -> Self {
        Self { name, source: None }
    }

    /// It is there, but something is wrong with it.
    fn of(name: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = Some(source.into());
        Self { name, source }
    }
}
