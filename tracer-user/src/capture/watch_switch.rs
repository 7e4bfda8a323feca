//! Lets the programs follow requests for those who watch.
//!
//! In: whether somebody watches requests without spans. Out: a limit in the programs' map, and how
//! many requests were beyond it.

use std::num::NonZero;

use aya::maps::{Array, Map, MapData};
use tracer_common::watch::Watch;

use super::{MapError, edge::per_window, map_value::MapValue, typed};

/// The programs' map of what is followed for watchers.
pub struct WatchSwitch {
    map: Array<MapData, MapValue<Watch>>,
    /// Requests beyond the limit that were reported.
    reported: u32,
}

impl WatchSwitch {
    /// The name of the map.
    pub const MAP: &str = "WATCH";

    /// The switch, which is off.
    ///
    /// # Errors
    ///
    /// If this is not the map.
    pub fn new(map: Option<Map>) -> Result<Self, MapError> {
        let map = typed(map, Self::MAP)?;
        Ok(Self { map, reported: 0 })
    }

    /// Follows so many requests a second, or none.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub fn set(&mut self, per_second: Option<NonZero<u32>>) -> Result<(), MapError> {
        let watch = Watch {
            limit: per_second.map_or(0, |per_second| per_window(per_second.get())),
            ..Watch::default()
        };
        self.reported = 0;
        let set = self.map.set(0, MapValue(watch), 0);
        set.map_err(|error| MapError::of(Self::MAP, error))
    }

    /// How many requests were beyond the limit since the last call.
    ///
    /// # Errors
    ///
    /// If the map cannot be read.
    pub fn left_out(&mut self) -> Result<u64, MapError> {
        let watch = self.map.get(&0, 0);
        let MapValue(watch) = watch.map_err(|error| MapError::of(Self::MAP, error))?;
        let new = watch.left_out.wrapping_sub(self.reported);
        self.reported = watch.left_out;
        Ok(new.into())
    }
}
