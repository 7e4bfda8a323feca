//! The open streams of a connection. In: streams opened, answered and closed. Out: the state of a
//! stream, and the streams evicted for new ones. Independent of frames.

use std::collections::VecDeque;

use crate::http2::headers::StreamState;

/// Streams remembered per connection. Servers allow 100 to 250 at a time (nginx 128, Go 250), few
/// of them 1000.
pub const STREAMS_MAX: usize = 1024;

/// Most memory of the table, in bytes, without the allocator's overhead.
pub const STREAM_TABLE_MAX_BYTES: usize = STREAMS_MAX * size_of::<StreamEntry>();

// The table doubles as it grows, so it ends at exactly this size.
const _: () = assert!(STREAMS_MAX.is_power_of_two());

#[derive(Clone, Copy)]
struct StreamEntry {
    id: u32,
    /// Whether the stream is a gRPC call; `None` while unknown.
    grpc: Option<bool>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Requested,
    /// The response has started; its end may carry a gRPC status.
    Answered,
    /// The response has started; its end carries no status.
    Settled,
}

/// The open streams, at most [`STREAMS_MAX`].
#[derive(Default)]
pub(super) struct StreamTable {
    /// Ordered by id, so by age.
    streams: VecDeque<StreamEntry>,
    newest: u32,
    /// The last stream that the server processes, and its error code, once it has sent GOAWAY.
    last: Option<(u32, u32)>,
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

    /// Inserts a stream. A full table evicts the oldest settled stream, or else the oldest stream,
    /// which is returned.
    pub(super) fn open(&mut self, id: u32, grpc: Option<bool>) -> Option<u32> {
        let stream = StreamEntry {
            id,
            grpc,
            progress: Progress::Requested,
        };
        self.newest = self.newest.max(id);
        if let Ok(at) = self.find(id) {
            self.streams[at] = stream;
            return None;
        }
        let evicted = if self.streams.len() < STREAMS_MAX {
            None
        } else {
            self.make_room()
        };
        let (Ok(at) | Err(at)) = self.find(id);
        self.streams.insert(at, stream);
        evicted
    }

    /// Records the final response. `grpc`: whether its content type is gRPC's.
    pub(super) fn answer(&mut self, id: u32, grpc: Option<bool>) {
        if let Ok(at) = self.find(id) {
            let stream = &mut self.streams[at];
            stream.progress = match grpc.or(stream.grpc) {
                Some(false) => Progress::Settled,
                _ => Progress::Answered,
            };
        }
    }

    /// Removes a stream; returns whether it was open.
    pub(super) fn close(&mut self, id: u32) -> bool {
        self.find(id)
            .is_ok_and(|at| self.streams.remove(at).is_some())
    }

    /// The error code of the GOAWAY that leaves a stream out.
    pub(super) fn refusal(&self, id: u32) -> Option<u32> {
        self.last
            .and_then(|(last, code)| (id > last).then_some(code))
    }

    /// The server processes no stream with an id greater than `last`. Removes and returns such
    /// streams, except those whose response has started: they were processed.
    pub(super) fn close_after(&mut self, last: u32, code: u32) -> Vec<u32> {
        self.last = Some((last, code));
        let refused =
            |stream: &StreamEntry| stream.id > last && stream.progress == Progress::Requested;
        let closed = self.streams.iter().filter(|stream| refused(stream));
        let closed = closed.map(|stream| stream.id).collect();
        self.streams.retain(|stream| !refused(stream));
        closed
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.streams.capacity() * size_of::<StreamEntry>()
    }

    fn find(&self, id: u32) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&id, |stream| stream.id)
    }

    /// Removes and returns the oldest settled stream, else the oldest stream.
    fn make_room(&mut self) -> Option<u32> {
        let settled = |stream: &StreamEntry| stream.progress == Progress::Settled;
        let at = self.streams.iter().position(settled).unwrap_or(0);
        self.streams.remove(at).map(|evicted| evicted.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> StreamTable {
        let mut table = StreamTable::default();
        for nth in 0..STREAMS_MAX as u32 {
            assert_eq!(table.open(2 * nth + 1, Some(true)), None);
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
    fn the_oldest_stream_is_evicted() {
        let mut table = full();
        assert_eq!(table.open(5001, Some(true)), Some(1));
        assert_eq!(table.open(5003, Some(true)), Some(3));
        assert_eq!(table.streams.len(), STREAMS_MAX);
    }

    /// Of an answered HTTP exchange only the end is missing, so it is evicted before a waiting one;
    /// an answered gRPC call still waits for its status.
    #[test]
    fn settled_streams_are_evicted_first() {
        let mut table = full();
        table.answer(5, Some(true));
        table.answer(9, Some(false));
        assert_eq!(table.open(5001, Some(true)), Some(9));
        assert_eq!(table.state(9), StreamState::Old);
        assert_eq!(table.open(5003, Some(true)), Some(1));
    }

    #[test]
    fn unanswered_streams_after_an_id_are_closed() {
        let mut table = StreamTable::default();
        for id in [1, 3, 7, 9, 11] {
            table.open(id, None);
        }
        table.answer(7, None);
        assert_eq!(table.close_after(3, 0), [9, 11]);
        assert_eq!(table.state(7), StreamState::Answered);
        assert_eq!(table.close_after(3, 0), [0; 0]);
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
