//! Limits how often something happens in a second.

const SECOND_NS: u64 = 1_000_000_000;

/// A number of tokens per second, all of them available from the second's start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RateLimit {
    per_second: u32,
    second: u64,
    taken: u32,
}

impl RateLimit {
    /// At most `per_second` tokens a second; none for 0.
    pub(super) fn at_most(per_second: u32) -> Self {
        Self {
            per_second,
            ..Self::default()
        }
    }

    /// The limit.
    pub(super) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Moves on to the second of `at_ns`; `false` where that second is not later than the current one.
    pub(super) fn advance(&mut self, at_ns: u64) -> bool {
        let second = at_ns / SECOND_NS;
        let is_later = second > self.second;
        if is_later {
            self.second = second;
            self.taken = 0;
        }
        is_later
    }

    /// Takes a token of the current second; `false` where none is left.
    pub(super) fn take(&mut self) -> bool {
        let is_left = self.taken < self.per_second;
        self.taken += u32::from(is_left);
        is_left
    }
}
