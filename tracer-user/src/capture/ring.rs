//! The ring buffer: the kernel's records, as bytes.

use aya::maps::{Map, MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};

use super::{MapError, typed};

/// The reading end of the ring buffer.
pub struct Ring(AsyncFd<RingBuf<MapData>>);

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
        let ring = typed(map, Self::MAP)?;
        // SAFETY: the ring owns the map, and with it one descriptor until it is dropped.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        ring.map(Self)
            .map_err(|error| RingError::Wait(error.into()))
    }

    /// Waits until the programs signal that many records are waiting. They do not signal few: the
    /// caller polls for those by a timer.
    pub async fn wait_until_filling(&self) {
        match self.0.readable().await {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime has ended, and will drop this future.
            Err(_) => std::future::pending().await,
        }
    }

    /// Passes at most `limit` waiting records to `take`. Returns their number.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&[u8])) -> usize {
        let ring = self.0.get_mut();
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
