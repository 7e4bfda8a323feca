//! The ring buffer: the kernel's records, as bytes.

use std::time::Instant;

use aya::maps::{Map, MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    MapError, occupancy::Occupancy, recent_peak::RecentPeak, ring_positions::RingPositions, typed,
};

/// The reading end of the ring buffer.
pub struct Ring {
    ring: AsyncFd<RingBuf<MapData>>,
    positions: RingPositions,
    max_bytes: u64,
    peak: RecentPeak,
}

/// Why the records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// The map is missing, or no ring buffer.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The map's descriptor cannot be registered with the runtime.
    #[error("wait for the map {}", Ring::MAP)]
    Wait(#[source] std::io::Error),
}

impl Ring {
    /// The name of the programs' map.
    pub const MAP: &str = "EVENTS";

    /// The ring buffer in this map. Only within a runtime of tokio.
    ///
    /// # Errors
    ///
    /// If the map is not a ring buffer, or cannot be waited for.
    pub fn new(map: Option<Map>) -> Result<Self, RingError> {
        let of_map = |error| MapError::of(Self::MAP, error);
        let name = Self::MAP;
        let Some(Map::RingBuf(data)) = &map else {
            return Err(MapError { name, source: None }.into());
        };
        let positions = RingPositions::map(data).map_err(|error| MapError::of(name, error))?;
        let max_bytes = data.info().map_err(of_map)?.max_entries().into();
        let ring = typed(map, name)?;
        // SAFETY: the ring owns the map, and with it one descriptor until it is dropped.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        Ok(Self {
            ring: ring.map_err(|error| RingError::Wait(error.into()))?,
            positions,
            max_bytes,
            peak: RecentPeak::new(Instant::now()),
        })
    }

    /// The most bytes that waited when the agent came to read, in the last 30 to 60 seconds, and the
    /// size of the ring buffer.
    pub fn peak(&mut self) -> Occupancy {
        Occupancy {
            entries: self.peak.get(Instant::now()),
            max_entries: self.max_bytes,
        }
    }

    /// Waits until the programs signal that many records are waiting. They do not signal few: the
    /// caller polls for those by a timer.
    pub async fn wait_until_filling(&self) {
        match self.ring.readable().await {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime has ended, and will drop this future.
            Err(_) => std::future::pending().await,
        }
    }

    /// Passes at most `limit` waiting records to `take`. Returns their number.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        self.peak.add(self.positions.waiting_bytes());
        let ring = self.ring.get_mut();
        let mut drained = 0;
        while drained < limit
            && let Some(record) = ring.next()
        {
            take(&record);
            drained += 1;
        }
        drained
    }
}
