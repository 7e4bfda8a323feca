//! Prints CLOCK_MONOTONIC and CLOCK_REALTIME, in nanoseconds.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

fn main() {
    for clock in [ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME] {
        match clock_gettime(clock) {
            Ok(time) => println!("{}", Duration::from(time).as_nanos()),
            Err(error) => {
                eprintln!("read a clock: {error}");
                std::process::exit(1);
            }
        }
    }
}
