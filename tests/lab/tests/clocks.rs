//! Processes with shifted clocks: monotonic time is off by the given shift, wall time is the
//! machine's.

#![allow(clippy::unwrap_used, reason = "test helpers fail as tests do")]

use std::time::Duration;

use hopspan_lab::{ClockShift, Command, Lab};
use nix::time::{ClockId, clock_gettime};

const DEADLINE: Duration = Duration::from_secs(10);

const READER: &str = env!("CARGO_BIN_EXE_clock-reader");

/// CLOCK_MONOTONIC and CLOCK_REALTIME of this process, nanoseconds.
fn now() -> [i128; 2] {
    let read = |clock| Duration::from(clock_gettime(clock).unwrap()).as_nanos();
    [ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME].map(|clock| read(clock).cast_signed())
}

/// The same clocks as a command reads them.
fn read_by(command: Command) -> [i128; 2] {
    let printed = command.run(DEADLINE).unwrap();
    let times: Vec<i128> = printed.lines().map(|line| line.parse().unwrap()).collect();
    times.try_into().unwrap()
}

#[test]
fn monotonic_time_is_shifted_and_wall_time_is_not() {
    let Some(lab) = Lab::for_test("monotonic_time_is_shifted_and_wall_time_is_not").unwrap() else {
        return;
    };
    let node = lab.node("node").unwrap();
    let pod = node.pod("default", "pod").unwrap();
    // Shifts of minutes, which a slow machine cannot blur, and the shifts that the tests of spans
    // use.
    let shifts = [
        (None, 0),
        (Some(ClockShift::Ahead(Duration::from_mins(2))), 120_000),
        (Some(ClockShift::Behind(Duration::from_mins(1))), -60_000),
        (Some(ClockShift::Ahead(Duration::from_millis(50))), 50),
        (Some(ClockShift::Behind(Duration::from_millis(50))), -50),
    ];
    for (shift, ms) in shifts {
        for command in [node.command(READER), pod.command(READER)] {
            let command = match shift {
                Some(shift) => command.clock(shift),
                None => command,
            };
            let before = now();
            let [monotonic, wall] = read_by(command);
            let after = now();
            let monotonic = monotonic - ms * 1_000_000;
            assert!((before[0]..=after[0]).contains(&monotonic), "{shift:?}");
            assert!((before[1]..=after[1]).contains(&wall), "{shift:?}");
        }
    }
}
