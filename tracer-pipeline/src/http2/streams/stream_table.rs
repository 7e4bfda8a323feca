//! The streams of a connection that are open. In: openings, answers and ends. Out: the state of a
//! stream, and which had to make room. Knows no frame.

use std::collections::VecDeque;

use crate::http2::headers::StreamState;

/// Streams remembered per connection. Servers allow 100 (nginx, Go: 128 and 250) at a time, few of
/// them 1000.
pub const STREAMS_MAX: usize = 1024;

/// Most memory of the table, in bytes, allocator apart.
pub const STREAM_TABLE_MAX_BYTES: usize = STREAMS_MAX * size_of::<StreamEntry>();

// The table doubles as it grows and so ends at just this size.
const _: () = assert!(STREAMS_MAX.is_power_of_two());

#[derive(Clone, Copy)]
struct StreamEntry {
    id: u32,
    /// Whether it is a gRPC call, as far as is known.
    grpc: Option<bool>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Requested,
    /// The end of the response is still to come, and may say something.
    Answered,
    /// So is the end of this one, but it will say nothing of interest, if it is seen at all.
    Settled,
}

/// What opening a stream has cost.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Nothing that matters.
    Free,
    /// This stream, which was still waited for.
    Instead(u32),
}

/// The open streams, at most [`STREAMS_MAX`].
#[derive(Default)]
pub(super) struct StreamTable {
    /// By number, so by age.
    streams: VecDeque<StreamEntry>,
    newest: u32,
}

impl StreamTable {
    pub(super) fn state(&self, id: u32) -> StreamState {
        match self.find(id) {
            Ok(at) if self.streams[at].progress == Progress::Requested => StreamState::Requested,
            Ok(_) => StreamState::Answered,
            Err(_) if id > self.newest => StreamState::New,
            Err(_) => StreamState::Old,
        }
    }

    /// Enters a stream. When there are too many the oldest goes, of those first that nothing
    /// depends on.
    pub(super) fn open(&mut self, id: u32, grpc: Option<bool>) -> Opened {
        let stream = StreamEntry {
            id,
            grpc,
            progress: Progress::Requested,
        };
        self.newest = self.newest.max(id);
        if let Ok(at) = self.find(id) {
            self.streams[at] = stream;
            return Opened::Free;
        }
        let opened = if self.streams.len() < STREAMS_MAX {
            Opened::Free
        } else {
            self.make_room()
        };
        let (Ok(at) | Err(at)) = self.find(id);
        self.streams.insert(at, stream);
        opened
    }

    /// Notes the final response. `grpc` is what it says of itself.
    pub(super) fn answer(&mut self, id: u32, grpc: Option<bool>) {
        if let Ok(at) = self.find(id) {
            let stream = &mut self.streams[at];
            stream.progress = match grpc.or(stream.grpc) {
                Some(false) => Progress::Settled,
                _ => Progress::Answered,
            };
        }
    }

    /// Forgets a stream and says whether it was open.
    pub(super) fn close(&mut self, id: u32) -> bool {
        self.find(id)
            .is_ok_and(|at| self.streams.remove(at).is_some())
    }

    /// Forgets all streams after a number, and says which.
    pub(super) fn close_after(&mut self, last: u32) -> Vec<u32> {
        let from = self.streams.partition_point(|stream| stream.id <= last);
        self.streams.drain(from..).map(|stream| stream.id).collect()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.streams.capacity() * size_of::<StreamEntry>()
    }

    fn find(&self, id: u32) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&id, |stream| stream.id)
    }

    fn make_room(&mut self) -> Opened {
        let settled = |stream: &StreamEntry| stream.progress == Progress::Settled;
        if let Some(at) = self.streams.iter().position(settled) {
            self.streams.remove(at);
            return Opened::Free;
        }
        self.streams
            .pop_front()
            .map_or(Opened::Free, |oldest| Opened::Instead(oldest.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StreamTable {
        let mut table = StreamTable::default();
        for nth in 0..STREAMS_MAX as u32 {
            assert_eq!(table.open(2 * nth + 1, Some(true)), Opened::Free);
        }
        table
    }

    #[test]
    fn a_stream_goes_through_its_states() {
        let mut table = StreamTable::default();
        assert_eq!(table.state(3), StreamState::New);
        table.open(3, None);
        assert_eq!(table.state(3), StreamState::Requested);
        assert_eq!(table.state(1), StreamState::Old);
        table.answer(3, None);
        assert_eq!(table.state(3), StreamState::Answered);
        assert!(table.close(3));
        assert!(!table.close(3));
        assert_eq!(table.state(3), StreamState::Old);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut table = full();
        assert_eq!(table.open(5001, Some(true)), Opened::Instead(1));
        assert_eq!(table.open(5003, Some(true)), Opened::Instead(3));
        assert_eq!(table.streams.len(), STREAMS_MAX);
    }

    /// An answered HTTP exchange is complete for its spans, so it goes before one that waits; an
    /// answered gRPC call still waits for its status.
    #[test]
    fn settled_streams_make_room_first() {
        let mut table = full();
        table.answer(5, Some(true));
        table.answer(9, Some(false));
        assert_eq!(table.open(5001, Some(true)), Opened::Free);
        assert_eq!(table.state(9), StreamState::Old);
        assert_eq!(table.open(5003, Some(true)), Opened::Instead(1));
    }

    #[test]
    fn streams_after_a_number_are_closed() {
        let mut table = StreamTable::default();
        for id in [1, 3, 7, 9] {
            table.open(id, None);
        }
        assert_eq!(table.close_after(3), [7, 9]);
        assert_eq!(table.close_after(3), [0; 0]);
        assert_eq!(table.state(3), StreamState::Requested);
    }

    #[test]
    fn memory_is_bounded_whatever_the_order() {
        let mut table = StreamTable::default();
        for nth in 0..20_000_u32 {
            table.open(nth.wrapping_mul(2_654_435_761) >> 1, None);
            assert!(table.heap_bytes() <= STREAM_TABLE_MAX_BYTES);
        }
    }
}
