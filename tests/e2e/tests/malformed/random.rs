//! Numbers that look random and are the same in every run with the same seed (SplitMix64).

use std::ops::Range;

/// A generator.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Any byte.
    pub(super) fn byte(&mut self) -> u8 {
        self.number().to_le_bytes()[0]
    }

    /// Any number of 16 bits.
    pub(super) fn word(&mut self) -> u16 {
        (self.number() >> 48) as u16
    }

    /// A number in a range; its start if the range is empty.
    pub(super) fn within(&mut self, range: Range<usize>) -> usize {
        let width = range.end.saturating_sub(range.start).max(1);
        range.start + (self.number() % width as u64) as usize
    }

    /// Whether one of `of` cases is the case now.
    pub(super) fn one_in(&mut self, of: usize) -> bool {
        self.within(0..of) == 0
    }

    /// One of these.
    pub(super) fn choice<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.within(0..of.len())]
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }
}
