//! Exchanges in the order of their arrival, shared fairly between pairs of client and service.
//!
//! In: exchanges with their pairs. Out: the oldest of all, to be sent; and where there are too many, the
//! oldest of the pair that holds most. A pair that holds less than an equal share loses nothing, and the
//! others share what it leaves (max-min fairness).
//!
//! Each exchange has a place in the order in which they are sent. A pair that gives way loses its oldest
//! exchange and its last place: its other exchanges move up. Otherwise the pair with the most exchanges
//! would have the newest ones only, and all others would be sent before it.
//!
//! Each operation takes a time logarithmic in the number of pairs. A pair is forgotten with its last
//! exchange.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, VecDeque},
};

use tracer_pipeline::span::Span;

use super::size::Size;

/// The memory of a pair beside its spans: its elements of three tables, and room for four exchanges.
const PAIR_BYTES: usize = 576;

/// A pair of client and service: a hash under a key of this process, so that nobody can choose names
/// that share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair(pub(super) u64);

/// The spans of one exchange or failed connect.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) spans: Vec<Span>,
    pub(super) size: Size,
    pair: Pair,
}

/// All exchanges that wait.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    next_place: u64,
    len: usize,
    size: Size,
    pairs: HashMap<Pair, Held>,
    /// Each pair, by its first place.
    by_place: BTreeMap<u64, Pair>,
    /// Each pair, by its weight. Of equal pairs, the one with the first place is the last.
    by_weight: BTreeMap<(usize, Reverse<u64>), Pair>,
}

/// What a pair holds of the queue.
#[derive(Debug, Default)]
struct Held {
    size: Size,
    /// The oldest first.
    exchanges: VecDeque<Exchange>,
    /// As many as exchanges, in their order.
    places: VecDeque<u64>,
}

/// An exchange that has left the queue, with the place that it had.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) exchange: Exchange,
    place: u64,
}

impl AsRef<[Span]> for Taken {
    fn as_ref(&self) -> &[Span] {
        &self.exchange.spans
    }
}

impl FairQueue {
    /// The number of exchanges.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The number of spans.
    pub(super) fn spans(&self) -> usize {
        self.size.spans
    }

    /// The memory of spans and pairs.
    pub(super) fn bytes(&self) -> usize {
        self.size.bytes + self.pairs.len() * PAIR_BYTES
    }

    /// Adds an exchange as the newest.
    pub(super) fn push(&mut self, pair: Pair, spans: Vec<Span>) {
        let exchange = Exchange {
            size: Size::of(&spans),
            spans,
            pair,
        };
        let place = self.next_place;
        self.next_place += 1;
        self.add(exchange, |held, exchange| {
            held.exchanges.push_back(exchange);
            held.places.push_back(place);
        });
    }

    /// Takes exchanges back, the oldest first. They must have been taken by [`Self::take_oldest`], so
    /// that they are older than all that wait.
    pub(super) fn give_back(&mut self, taken: Vec<Taken>) {
        for Taken { exchange, place } in taken.into_iter().rev() {
            self.add(exchange, |held, exchange| {
                held.exchanges.push_front(exchange);
                held.places.push_front(place);
            });
        }
    }

    /// The size of the exchange with the first place.
    pub(super) fn oldest(&self) -> Option<Size> {
        let (_, pair) = self.by_place.first_key_value()?;
        Some(self.pairs.get(pair)?.exchanges.front()?.size)
    }

    /// Removes the exchange with the first place.
    pub(super) fn take_oldest(&mut self) -> Option<Taken> {
        let (_, pair) = self.by_place.first_key_value()?;
        self.take(*pair, VecDeque::pop_front)
    }

    /// Removes the oldest exchange of the pair that holds most, and the last place of the pair.
    pub(super) fn drop_of_heaviest(&mut self) -> Option<Exchange> {
        let (_, pair) = self.by_weight.last_key_value()?;
        let taken = self.take(*pair, VecDeque::pop_back)?;
        Some(taken.exchange)
    }

    fn add(&mut self, exchange: Exchange, insert: impl FnOnce(&mut Held, Exchange)) {
        self.len += 1;
        self.size.add(exchange.size);
        self.change(exchange.pair, |held| {
            held.size.add(exchange.size);
            insert(held, exchange);
        });
    }

    fn take(
        &mut self,
        pair: Pair,
        take_place: fn(&mut VecDeque<u64>) -> Option<u64>,
    ) -> Option<Taken> {
        let taken = self.change(pair, |held| held.take(take_place))?;
        self.len -= 1;
        self.size.subtract(taken.exchange.size);
        Some(taken)
    }

    /// Changes what a pair holds, and where it is found.
    fn change<T>(&mut self, pair: Pair, change: impl FnOnce(&mut Held) -> T) -> T {
        let held = self.pairs.entry(pair).or_default();
        if let Some(&first) = held.places.front() {
            self.by_place.remove(&first);
            self.by_weight.remove(&(held.size.weight(), Reverse(first)));
        }
        let result = change(held);
        if let Some(&first) = held.places.front() {
            let weight = held.size.weight();
            self.by_place.insert(first, pair);
            self.by_weight.insert((weight, Reverse(first)), pair);
        } else {
            self.pairs.remove(&pair);
        }
        result
    }
}

impl Held {
    /// Removes its oldest exchange and one of its places.
    fn take(&mut self, take_place: fn(&mut VecDeque<u64>) -> Option<u64>) -> Option<Taken> {
        let exchange = self.exchanges.pop_front()?;
        let place = take_place(&mut self.places)?;
        self.size.subtract(exchange.size);
        free_unused(&mut self.exchanges);
        free_unused(&mut self.places);
        Some(Taken { exchange, place })
    }
}

/// Frees the memory that many elements had taken: a pair that always has an exchange would keep it.
fn free_unused<T>(elements: &mut VecDeque<T>) {
    if elements.len() < elements.capacity() / 4 {
        elements.shrink_to(2 * elements.len());
    }
}

#[cfg(test)]
mod tests;
