//! A TCP connection between two sockets, for the differential tests of HTTP/1 and HTTP/2.
//!
//! In: the bytes of both directions, what each side waits for before it sends, and a schedule. Out:
//! the records of the kernel programs of one node.

mod ending;
mod network;
mod packet;
mod programs;
mod stream;
mod wire;

pub(crate) use ending::Told;
pub(crate) use network::{Played, Setting, play, setting, troubles};
pub(crate) use packet::Seen;
pub(crate) use stream::Stream;
pub(crate) use wire::Wire;

use proptest::test_runner::{Config, RngSeed};

/// A run of so many cases, the same ones each time, or of `PROPTEST_CASES`, which are others each
/// time: a search. KNOWN_ISSUES.md says what a search finds today.
pub(crate) fn config(cases: u32, source_file: &'static str) -> Config {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    let wanted: Option<u32> = wanted.and_then(|wanted| wanted.parse().ok());
    let default = Config::default();
    Config {
        cases: wanted.unwrap_or(cases),
        source_file: Some(source_file),
        rng_seed: match wanted {
            Some(_) => default.rng_seed,
            None => RngSeed::Fixed(1),
        },
        ..default
    }
}
