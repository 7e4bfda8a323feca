//! Follows requests for those who watch.
//!
//! In: requests that are certainly not sampled. Out: whether one is followed all the same. The agent
//! sets a limit while somebody watches such requests. They do not count in the shares of `edge`, so
//! that no request whose spans are exported is shed for them.

use aya_ebpf::{macros::map, maps::Array};
use tracer_common::{edge::WINDOW_BITS, watch::Watch};

use crate::shared::{MapValue as _, Shared, field};

/// The programs on all CPUs count, and the agent sets the limit meanwhile. Two CPUs that count at the
/// same time may count one request for two, or begin a window twice: a request more or less is
/// followed then. When the agent ends, its programs do too.
#[map]
static WATCH: Array<Shared<Watch>> = Array::with_max_entries(1, 0);

/// Whether a request is followed for a watcher. It costs a load while nobody watches.
#[inline(always)]
pub(crate) fn takes(start_ns: u64) -> bool {
    let Some(watch) = WATCH.value(0) else {
        return false;
    };
    let limit = field!(watch, limit).get();
    if limit == 0 {
        return false;
    }
    let window = (start_ns >> WINDOW_BITS) as u32;
    let mut requests = field!(watch, requests).get();
    if field!(watch, window).get() != window {
        requests = 0;
        field!(watch, window).set(window);
    }
    if requests >= limit {
        let left_out = field!(watch, left_out);
        left_out.set(left_out.get().wrapping_add(1));
        return false;
    }
    field!(watch, requests).set(requests + 1);
    true
}
