//! The bounds, the batches, and who gives way.

use std::{collections::BTreeMap, time::Duration};

use super::{
    super::reference::{bare_span, edge_from},
    *,
};

const NOISY: &str = "noisy";
const QUIET: &str = "quiet";

/// A queue of so many spans, and its sender.
struct Fixture {
    sender: Sender,
    batches: Batches,
    /// Spans by caller, which is the name of each.
    made: BTreeMap<String, usize>,
    sent: BTreeMap<String, usize>,
    dropped: usize,
}

impl Fixture {
    fn new(queue_spans: usize, batch_spans: usize) -> Self {
        Self::within(Limits {
            queue_spans,
            batch_spans,
            batch_wait: Duration::from_millis(50),
        })
    }

    fn within(limits: Limits) -> Self {
        let (sender, batches) = queue(limits);
        Self {
            sender,
            batches,
            made: BTreeMap::new(),
            sent: BTreeMap::new(),
            dropped: 0,
        }
    }

    /// Makes an exchange. Returns how many spans are dropped for it.
    fn push(&mut self, caller: &str, spans: usize) -> usize {
        let mut span = bare_span();
        span.name = caller.to_owned().into();
        *self.made.entry(caller.to_owned()).or_default() += spans;
        let dropped = self.sender.push(&edge_from(caller), vec![span; spans]);
        self.dropped += dropped;
        let occupancy = self.sender.occupancy();
        assert!(occupancy.spans <= occupancy.max_spans.max(spans as u64));
        dropped
    }

    /// The next batch, which the collector takes. Returns the callers and sizes of its exchanges.
    async fn send(&mut self) -> Option<Vec<(String, usize)>> {
        let batch = self.batches.next().await?;
        let exchanges = batch.iter().map(|taken| {
            let spans = taken.as_ref();
            let caller = spans[0].name.clone().into_owned();
            *self.sent.entry(caller.clone()).or_default() += spans.len();
            (caller, spans.len())
        });
        Some(exchanges.collect())
    }

    /// Closes the queue and sends what is left. Returns the sizes of the batches. Every span is in one
    /// count.
    async fn finish(mut self) -> (Vec<usize>, Self) {
        let (closed, _) = queue(self.sender.queue.limits);
        drop(std::mem::replace(&mut self.sender, closed));
        let mut sizes = Vec::new();
        while let Some(batch) = self.send().await {
            sizes.push(batch.iter().map(|(_, spans)| spans).sum());
        }
        let total = |spans: &BTreeMap<String, usize>| spans.values().sum::<usize>();
        assert_eq!(total(&self.made), total(&self.sent) + self.dropped);
        (sizes, self)
    }
}

#[tokio::test]
async fn a_full_queue_drops_the_oldest_exchanges_whole() {
    let mut fixture = Fixture::new(100, 50);
    assert_eq!(fixture.push(NOISY, 41), 0);
    assert_eq!(fixture.push(NOISY, 59), 0);
    assert_eq!(fixture.push(NOISY, 3), 41);
    assert_eq!(fixture.sender.occupancy().spans, 62);
    assert_eq!(fixture.finish().await.0, [59, 3]);
}

#[tokio::test]
async fn an_exchange_larger_than_the_queue_is_kept_until_the_next() {
    let mut fixture = Fixture::new(100, 50);
    assert_eq!(fixture.push(NOISY, 300), 0);
    assert_eq!(fixture.push(QUIET, 1), 300);
    assert_eq!(fixture.push(NOISY, 300), 300);
    assert_eq!(fixture.finish().await.0, [1]);
}

#[tokio::test]
async fn bytes_bound_the_queue_too() {
    let (sender, mut batches) = queue(Limits {
        queue_spans: 100,
        batch_spans: 50,
        batch_wait: Duration::from_millis(50),
    });
    let large = |caller| {
        let mut span = bare_span();
        span.name = "a".repeat(60 << 10).into();
        sender.push(&edge_from(caller), vec![span])
    };
    assert_eq!(large(NOISY), 0);
    // Few spans, but most of the memory.
    assert_eq!(sender.push(&edge_from(QUIET), vec![bare_span(); 40]), 0);
    assert_eq!(large(NOISY), 1);
    let batch = batches.next().await.unwrap();
    let sizes: Vec<usize> = batch.iter().map(|taken| taken.as_ref().len()).collect();
    assert_eq!(sizes, [1, 40]);
}

#[tokio::test]
async fn exchanges_that_fit_are_sent_together() {
    let mut fixture = Fixture::new(1_000, 100);
    for _ in 0..5 {
        assert_eq!(fixture.push(NOISY, 40), 0);
    }
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let batch = fixture.send().await.unwrap();
        sizes.push(batch.iter().map(|(_, spans)| spans).sum::<usize>());
    }
    // The last batch waits until its time has passed.
    assert_eq!(sizes, [80, 80, 40]);
}

#[tokio::test]
async fn a_quiet_pair_loses_nothing_beside_noisy_ones() {
    let mut fixture = Fixture::new(300, 50);
    // Ten times as many of each noisy pair, and exchanges of many spans. The collector takes a tenth.
    for round in 0..200 {
        for _ in 0..10 {
            fixture.push(NOISY, 3);
            fixture.push("failing", 33);
        }
        fixture.push(QUIET, 3);
        if round % 2 == 0 {
            fixture.send().await;
        }
    }
    let (_, fixture) = fixture.finish().await;
    assert_eq!(fixture.sent[QUIET], fixture.made[QUIET]);
    // The others share what is left, by spans.
    let [noisy, failing] = [NOISY, "failing"].map(|caller| fixture.sent[caller]);
    assert!(
        noisy.abs_diff(failing) < noisy / 4,
        "{noisy} and {failing} spans"
    );
}

#[tokio::test]
async fn a_batch_that_comes_back_shares_the_room_with_what_is_behind_it() {
    let mut fixture = Fixture::new(100, 40);
    for _ in 0..4 {
        fixture.push(NOISY, 5);
        fixture.push(QUIET, 5);
    }
    // Twice, while the noisy pair makes more than there is room for.
    for _ in 0..2 {
        let batch = fixture.batches.next().await.unwrap();
        for _ in 0..20 {
            fixture.push(NOISY, 5);
        }
        fixture.dropped += fixture.batches.give_back(batch);
        assert_eq!(fixture.sender.occupancy().spans, 100);
    }
    // Newer exchanges of the noisy pair have the places of those that it lost.
    let batch = fixture.send().await.unwrap();
    let callers: Vec<&str> = batch.iter().map(|(caller, _)| &**caller).collect();
    assert_eq!(callers, [NOISY, QUIET].repeat(4));
    let (_, fixture) = fixture.finish().await;
    assert_eq!(fixture.sent[QUIET], 20);
}

#[tokio::test]
async fn a_batch_that_comes_back_is_due_at_once() {
    let mut fixture = Fixture::within(Limits {
        queue_spans: 40,
        batch_spans: 40,
        batch_wait: Duration::from_secs(3_600),
    });
    fixture.push(NOISY, 30);
    fixture.push(QUIET, 10);
    let batch = fixture.batches.next().await.unwrap();
    fixture.push(QUIET, 15);
    fixture.dropped += fixture.batches.give_back(batch);
    let expected = [10, 15].map(|spans| (QUIET.to_owned(), spans));
    assert_eq!(fixture.send().await.unwrap(), expected);
}

#[tokio::test]
async fn many_pairs_stay_within_the_bounds() {
    let mut fixture = Fixture::new(1_000, 100);
    for number in 0..50 {
        fixture.push(QUIET, 1);
        for pair in 0..100 {
            fixture.push(&format!("{number}-{pair}"), 2);
        }
        let bytes = fixture.sender.queue.lock().bytes();
        assert!(bytes <= fixture.sender.queue.limits.queue_bytes());
    }
    // Each of the others is new and holds two spans: the quiet pair keeps its last.
    let (_, fixture) = fixture.finish().await;
    assert!(fixture.sent[QUIET] > 0);
}
