//! The ring buffer.

use aya::maps::{Map, MapData, RingBuf};
use tokio::io::{Interest, unix::AsyncFd};

use super::MapError;

/// The stream of the kernel's records.
pub struct Ring(AsyncFd<RingBuf<MapData>>);

/// Why the records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// It is not there, or no ring buffer.
    #[error(transparent)]
    Map(#[from] MapError),
    /// It cannot be waited for.
    #[error("wait for the map {}", Ring::MAP)]
    Wait(#[source] std::io::Error),
}

impl Ring {
    /// The programs' map of this name.
    pub const MAP: &str = "EVENTS";

    /// Takes the map; within a runtime of tokio.
    ///
    /// # Errors
    ///
    /// When it is not a ring buffer.
    pub fn new(map: Option<Map>) -> Result<Self, RingError> {
        let ring = map.ok_or_else(|| MapError::missing(Self::MAP))?.try_into();
        let ring = ring.map_err(|error| MapError::of(Self::MAP, error))?;
        // SAFETY: the map is the ring's own, and has one descriptor until the ring is dropped.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        ring.map(Self)
            .map_err(|error| RingError::Wait(error.into()))
    }

    /// Waits until the programs say that much is waiting. Of little they say nothing: that is for a
    /// timer to find.
    pub async fn is_filling(&self) {
        match self.0.readable().await {
            Ok(mut guard) => guard.clear_ready(),
            // The runtime is at its end, and so is whoever waits.
            Err(_) => std::future::pending().await,
        }
    }

    /// Hands at most `limit` waiting records to `take`; how many there were.
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
