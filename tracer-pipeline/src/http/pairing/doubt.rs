//! Whether a request may wait for a response unseen, behind which every later response would be
//! given to the wrong request.
//!
//! In: what was not seen of a connection, and the exchanges that went on in turns. A client that has
//! one more request open than was seen looks like one that waits only while it sends each request
//! after one response and before the next one begins.

/// How many exchanges in turns, one behind the other, end a doubt.
const EXCHANGES: u8 = 3;

/// A doubt, and how many exchanges would end it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubt {
    left: u8,
}

impl Doubt {
    /// Something was not seen.
    pub(super) fn begin(&mut self) {
        self.left = EXCHANGES;
    }

    /// A response began where the client had received to before it sent the last request.
    pub(super) fn exchange(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    pub(super) fn exists(self) -> bool {
        self.left != 0
    }
}
