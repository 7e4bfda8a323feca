//! Waiting for a condition. In: a time limit and a check. Out: what the check found within that
//! time.

use std::thread;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(2);

/// Calls `check` every 2 ms until it returns a value. `None` when it has returned none within
/// `limit`.
pub fn poll<T>(limit: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let found = check();
        if found.is_some() || Instant::now() > end {
            return found;
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_ends_the_wait_and_the_limit_does() {
        let mut checks = 0;
        let third = poll(Duration::from_secs(60), || {
            checks += 1;
            (checks == 3).then_some(checks)
        });
        assert_eq!(third, Some(3));
        assert_eq!(poll(Duration::ZERO, || None::<()>), None);
    }
}
