//! The ring buffer.

use aya::maps::{Map, MapData, RingBuf};

use super::MapError;

/// The stream of the kernel's records.
pub struct Ring(RingBuf<MapData>);

impl Ring {
    /// The programs' map of this name.
    pub const MAP: &str = "EVENTS";

    /// Takes the map.
    ///
    /// # Errors
    ///
    /// When it is not a ring buffer.
    pub fn new(map: Option<Map>) -> Result<Self, MapError> {
        let map = map.ok_or_else(|| MapError::missing(Self::MAP))?;
        let taken = map.try_into();
        taken
            .map(Self)
            .map_err(|error| MapError::of(Self::MAP, error))
    }

    /// Hands at most `limit` waiting records to `take`; how many there were.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let mut drained = 0;
        while drained < limit
            && let Some(record) = self.0.next()
        {
            take(&record);
            drained += 1;
        }
        drained
    }
}
