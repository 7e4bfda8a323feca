//! The city HotROD drives in. In: locations written `x,y`. Out: travel times, simulated work. Knows
//! no protocol, and no clock but sleep.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A location, in city blocks from the south-west corner. Written `115,277`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Location {
    x: u16,
    y: u16,
}

/// Why a text is not a [`Location`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("location `{text}` is not of the form `x,y` with two numbers from 0 to 65535")]
pub(crate) struct LocationError {
    text: String,
}

impl Location {
    pub(crate) const fn new(x: u16, y: u16) -> Self {
        Self { x, y }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.x, self.y)
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |text: &str| {
            let (x, y) = text.split_once(',')?;
            Some(Self::new(x.parse().ok()?, y.parse().ok()?))
        };
        parse(text).ok_or_else(|| LocationError {
            text: text.to_owned(),
        })
    }
}

/// How long a car needs along the street grid: whole minutes, two at least.
pub(crate) fn travel_time(from: Location, to: Location) -> Duration {
    const BLOCKS_PER_MINUTE: u64 = 40;
    let blocks = u64::from(from.x.abs_diff(to.x)) + u64::from(from.y.abs_diff(to.y));
    Duration::from_secs(60 * (blocks / BLOCKS_PER_MINUTE).max(2))
}

/// Work that takes time but no processor: `base`, plus a part of `jitter` that depends on `subject`
/// alone and is the same on every run.
///
/// The runtime's timer rounds up to a millisecond, so a wait is up to a millisecond longer.
pub(crate) async fn simulate_work(base: Duration, jitter: Duration, subject: &str) {
    let share = (scatter(subject) % 1000) as u32;
    tokio::time::sleep(base + jitter * share / 1000).await;
}

/// Spreads texts evenly over all 64-bit numbers, the same on every machine and run: FNV-1a, with a
/// final mix so that texts that differ only in the last letter also differ in the high bits.
pub(crate) fn scatter(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_two_numbers() {
        assert_eq!("115,277".parse(), Ok(Location::new(115, 277)));
        for text in [
            "",
            ",",
            "115",
            "115,",
            ",277",
            "115,277,1",
            "115, 277",
            "-1,2",
            "1,65536",
            "x,y",
        ] {
            assert!(
                text.parse::<Location>().is_err(),
                "{text:?} was parsed as a location"
            );
        }
    }

    #[test]
    fn a_location_is_parsed_as_it_is_printed() {
        assert_eq!(
            Location::new(3, 497).to_string().parse(),
            Ok(Location::new(3, 497))
        );
    }

    #[test]
    fn travel_takes_two_minutes_at_least_and_grows_with_distance() {
        let home = Location::new(100, 100);
        assert_eq!(travel_time(home, home), Duration::from_secs(120));
        assert_eq!(
            travel_time(home, Location::new(0, 300)),
            Duration::from_secs(7 * 60)
        );
        assert_eq!(
            travel_time(Location::new(0, 300), home),
            Duration::from_secs(7 * 60)
        );
    }

    #[test]
    fn scatter_separates_neighbours() {
        let shares: std::collections::BTreeSet<u64> = (0..10)
            .map(|n| scatter(&format!("115,277#{n}")) % 1000)
            .collect();
        assert!(shares.len() >= 9, "{shares:?}");
    }
}
