//! The bytes of one direction, and where they are cut into packets.

use std::ops::Range;

use proptest::{collection::vec, prelude::*, sample::Index};

/// Where a direction is cut into packets.
#[derive(Clone, Debug)]
pub(crate) struct Cutting {
    every_byte: bool,
    /// No head is cut.
    keeps_heads: bool,
    anywhere: Vec<Index>,
    /// Among the beginnings of heads, bodies and their parts.
    at_marks: Vec<Index>,
}

/// A side sends the byte at `at` when it has received so many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    pub(crate) at: usize,
    pub(crate) received: usize,
}

/// The bytes of a direction.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    /// Ascending.
    pub(crate) gates: Vec<Gate>,
    pub(crate) heads: Vec<Range<usize>>,
    marks: Vec<usize>,
}

impl Stream {
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.marks.push(self.bytes.len());
        self.bytes.extend(bytes);
    }

    pub(crate) fn head(&mut self, bytes: &[u8]) -> Range<usize> {
        let begin = self.bytes.len();
        self.write(bytes);
        self.heads.push(begin..self.bytes.len());
        begin..self.bytes.len()
    }

    pub(crate) fn wait_for(&mut self, received: usize) {
        let at = self.bytes.len();
        self.gates.push(Gate { at, received });
    }
}

impl Cutting {
    /// The ends of the packets, ascending. A gate cuts as well.
    pub(super) fn ends(&self, stream: &Stream) -> Vec<usize> {
        let length = stream.bytes.len();
        if length == 0 {
            return Vec::new();
        }
        let mut ends: Vec<usize> = if self.every_byte {
            (1..length).collect()
        } else {
            let anywhere = self.anywhere.iter().map(|index| index.index(length));
            let marks = self.at_marks.iter().map(|index| *index.get(&stream.marks));
            anywhere.chain(marks).collect()
        };
        if self.keeps_heads {
            ends.retain(|end| {
                let mut heads = stream.heads.iter();
                !heads.any(|head| head.start < *end && *end < head.end)
            });
        }
        ends.push(length);
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

pub(super) fn cutting() -> impl Strategy<Value = Cutting> {
    (
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.6),
        vec(any::<Index>(), 0..6),
        vec(any::<Index>(), 0..12),
    )
        .prop_map(|(every_byte, keeps_heads, anywhere, at_marks)| Cutting {
            every_byte,
            keeps_heads,
            anywhere,
            at_marks,
        })
}
