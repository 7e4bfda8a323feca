//! The lines that wait for one watcher.
//!
//! In: lines from the loop, which never waits. Out: lines in their order, and in the place of those
//! that had no room their number.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

/// Bytes that wait for a watcher; at least one line has room.
pub(super) const MAX_BYTES: usize = 512 << 10;
/// What one [`Queue::next`] takes, about.
const CHUNK_BYTES: usize = 32 << 10;

/// A bounded queue of lines. Where it is full, the new line is counted and left out.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Queued>,
    bytes: usize,
}

/// What comes out of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run) enum Queued {
    /// Lines, each with its end.
    Lines(Bytes),
    /// So many lines had no room here.
    Missed(u64),
}

impl Queue {
    /// Adds a line, or counts it as missed.
    pub(super) fn push(&self, line: Bytes) {
        let mut waiting = self.lock();
        if waiting.bytes == 0 || waiting.bytes + line.len() <= MAX_BYTES {
            waiting.bytes += line.len();
            waiting.items.push_back(Queued::Lines(line));
        } else if let Some(Queued::Missed(missed)) = waiting.items.back_mut() {
            *missed += 1;
        } else {
            waiting.items.push_back(Queued::Missed(1));
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// Takes the oldest lines together, or the number of missed ones. Waits where there are none.
    pub(super) async fn next(&self) -> Queued {
        loop {
            if let Some(taken) = self.lock().take() {
                return taken;
            }
            self.filled.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Queued> {
        let mut lines = BytesMut::new();
        while let Some(Queued::Lines(line)) = self.items.front_mut() {
            if !lines.is_empty() && lines.len() + line.len() > CHUNK_BYTES {
                break;
            }
            let line = mem::take(line);
            self.items.pop_front();
            self.bytes -= line.len();
            lines.extend_from_slice(&line);
        }
        match lines.is_empty() {
            true => self.items.pop_front(),
            false => Some(Queued::Lines(lines.freeze())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> Bytes {
        let mut line = vec![b'x'; 1000];
        line.extend(number.to_string().bytes());
        line.push(b'\n');
        line.into()
    }

    #[tokio::test]
    async fn what_has_no_room_is_counted_in_its_place() {
        let queue = Queue::default();
        let all = 2 * MAX_BYTES / 1000;
        (0..all).for_each(|number| queue.push(line(number)));
        assert!(queue.lock().bytes <= MAX_BYTES);
        let mut lines = 0;
        let missed = loop {
            match queue.next().await {
                Queued::Lines(taken) => {
                    assert!(taken.len() <= CHUNK_BYTES);
                    lines += taken.iter().filter(|byte| **byte == b'\n').count();
                }
                Queued::Missed(missed) => break missed,
            }
        };
        assert!(lines > 0);
        assert_eq!(lines + usize::try_from(missed).unwrap(), all);
        assert!(queue.lock().items.is_empty());
    }

    #[tokio::test]
    async fn one_line_always_has_room() {
        let queue = Queue::default();
        let large = Bytes::from(vec![b'x'; 2 * MAX_BYTES]);
        queue.push(large.clone());
        queue.push(line(1));
        assert_eq!(queue.next().await, Queued::Lines(large));
        assert_eq!(queue.next().await, Queued::Missed(1));
        queue.push(line(2));
        assert_eq!(queue.next().await, Queued::Lines(line(2)));
    }
}
