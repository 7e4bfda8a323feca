//! The properties of fair shares, for any sequence of requests.

use proptest::prelude::*;

use super::*;

/// Requests in the order of time: key and time.
fn taken(shares: &mut FairShares<u32>, asks: &[(u32, u64)]) -> Vec<(u32, u64)> {
    let mut asks = asks.to_vec();
    asks.sort_by_key(|(_, at_ns)| *at_ns);
    asks.retain(|(who, at_ns)| shares.take(who, *at_ns));
    asks
}

/// A key that takes `per_second` tokens a second, evenly, between two times in seconds.
fn steady(who: u32, per_second: u64, seconds: std::ops::Range<u64>) -> Vec<(u32, u64)> {
    let asks = (seconds.start * per_second)..(seconds.end * per_second);
    asks.map(|ask| (who, ask * SECOND_NS / per_second + u64::from(who)))
        .collect()
}

fn of(taken: &[(u32, u64)], who: u32) -> usize {
    taken.iter().filter(|(taker, _)| *taker == who).count()
}

#[test]
fn nothing_is_kept_back_from_one_that_is_alone() {
    let mut shares = FairShares::new(100);
    let asks = steady(1, 5_000, 10..20);
    let after_the_first = taken(&mut shares, &asks)
        .into_iter()
        .filter(|(_, at_ns)| *at_ns >= 11 * SECOND_NS);
    let count = after_the_first.count();
    assert!(
        (899..=901).contains(&count),
        "{count} in 9 s at 100 a second"
    );
}

#[test]
fn who_is_new_beside_a_noisy_one_gets_a_share_at_once() {
    let mut shares = FairShares::new(100);
    let mut asks = steady(1, 20_000, 10..15);
    let new: Vec<(u32, u64)> = (0..10).map(|ask| (2, 13 * SECOND_NS + ask)).collect();
    asks.extend(&new);
    assert_eq!(of(&taken(&mut shares, &asks), 2), new.len());
}

/// The state at the start of an agent: no key is known.
#[test]
fn few_of_each_of_many_that_are_new_are_not_too_many() {
    let mut shares = FairShares::new(1_000);
    let asks: Vec<(u32, u64)> = (0..80)
        .flat_map(|who| (0..5).map(move |ask| (who, 10 * SECOND_NS + ask * 3_000_000)))
        .collect();
    assert_eq!(taken(&mut shares, &asks).len(), asks.len());
}

#[test]
fn equals_get_equal_shares() {
    let mut shares = FairShares::new(90);
    let asks: Vec<(u32, u64)> = (1..=9).flat_map(|who| steady(who, 300, 10..20)).collect();
    let taken = taken(&mut shares, &asks);
    for who in 1..=9 {
        let count = of(&taken, who);
        assert!((95..=115).contains(&count), "{who}: {count} in 10 s");
    }
}

#[test]
fn more_than_can_be_remembered_share_one_bucket() {
    let mut shares = FairShares::new(10_000);
    let asks: Vec<(u32, u64)> = (0..3_000).map(|who| (who, 10 * SECOND_NS)).collect();
    taken(&mut shares, &asks);
    assert_eq!(shares.buckets.len(), MAX_BUCKETS);
    // Unused buckets are removed, and other keys come.
    taken(&mut shares, &[(5_000, 200 * SECOND_NS)]);
    assert_eq!(shares.buckets.len(), 1);
}

#[test]
fn none_is_none() {
    let mut shares = FairShares::new(0);
    assert_eq!(taken(&mut shares, &steady(1, 100, 1..3)), []);
    let mut shares = FairShares::new(1);
    assert_eq!(taken(&mut shares, &[(1, 5), (1, 6)]), [(1, 5)]);
}

proptest! {
    /// For any interval and any keys.
    #[test]
    fn never_more_than_the_rate_and_one_burst(
        per_second in 1_u32..200,
        asks in prop::collection::vec((0_u32..30, 0_u64..4 * SECOND_NS), 1..1_500),
    ) {
        let mut shares = FairShares::new(per_second);
        let taken = taken(&mut shares, &asks);
        let rate = u64::from(per_second);
        for (first, (_, from_ns)) in taken.iter().enumerate().step_by(7) {
            for (last, (_, to_ns)) in taken.iter().enumerate().skip(first).step_by(5) {
                let brought = rate * (to_ns - from_ns + POUR_NS) / SECOND_NS;
                let count = (last - first + 1) as u64;
                prop_assert!(count <= brought + rate + 1, "{count} in {} ns", to_ns - from_ns);
            }
        }
    }

    /// Three buckets, one of them shared: each holds a third.
    #[test]
    fn a_quiet_one_beside_a_noisy_one_loses_nothing(
        per_second in 8_u64..300,
        loudness in 2_u64..40,
    ) {
        let mut shares = FairShares::new(per_second as u32);
        let quiet = steady(2, per_second / 4, 10..16);
        let mut asks = steady(1, per_second * loudness, 10..16);
        asks.extend(&quiet);
        let taken = taken(&mut shares, &asks);
        prop_assert_eq!(of(&taken, 2), quiet.len());
    }

    /// Under overload all tokens are given out.
    #[test]
    fn nothing_is_wasted(
        per_second in 10_u64..200,
        loudness in prop::collection::vec(1_u64..10, 1..8),
    ) {
        let mut shares = FairShares::new(per_second as u32);
        let seconds = 8;
        let mut asks = steady(0, per_second * 2, 10..10 + seconds);
        for (who, loud) in loudness.iter().enumerate() {
            let each = (per_second * loud / 10).max(1);
            asks.extend(steady(1 + who as u32, each, 10..10 + seconds));
        }
        let count = taken(&mut shares, &asks).len() as u64;
        // At the end the buckets of quiet keys hold tokens that were not needed yet.
        prop_assert!(count >= per_second * (seconds - 1), "{count} of {}", per_second * seconds);
    }

    /// Two runs with the same requests give the same result.
    #[test]
    fn the_same_asks_get_the_same(
        asks in prop::collection::vec((0_u32..20, 0_u64..2 * SECOND_NS), 1..500),
    ) {
        let run = || taken(&mut FairShares::new(50), &asks);
        prop_assert_eq!(run(), run());
    }
}
