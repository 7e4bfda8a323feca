//! Sheds requests where they begin, by pair of client and server.
//!
//! In: requests whose trace context is sampled. Out: whether a request exceeds the limit of its
//! pair. The agent sets one limit for all pairs from the requests of all, so that the requests of a
//! quiet pair are followed beside those of a noisy one. A request that is shed here costs no more
//! than one that is not sampled.

use aya_ebpf::{macros::map, maps::Array};
use tracer_common::{
    counter::Counter,
    edge::{EDGES, Edges, WINDOW_BITS},
};

use crate::{
    counter::count,
    first_seen::FirstSeen,
    shared::{MapValue as _, Shared, field},
    uplink,
};

/// One value, so that the agent reads all pairs at once.
///
/// The programs on all CPUs write it, and the agent copies it meanwhile. Two CPUs that count for
/// one pair at the same time may count one request for two, or begin a window twice: a request more
/// or less is followed then.
#[map]
static EDGE_COUNTS: Array<Shared<Edges>> = Array::with_max_entries(1, 0);

/// Requests of a pair that are followed in a window; 0 for no limit. The agent writes it while
/// programs read it: the old limit and the new one are equally right.
#[map]
static EDGE_LIMIT: Array<Shared<u32>> = Array::with_max_entries(1, 0);

/// Counts a request of its pair. Whether it exceeds the pair's limit.
#[inline(always)]
pub(crate) fn is_shed(seen: &FirstSeen<'_>) -> bool {
    let limit = EDGE_LIMIT.value(0).map_or(0, Shared::get);
    let Some(counts) = EDGE_COUNTS.value(0) else {
        return false;
    };
    // Without the client's port, which differs from connection to connection.
    let tuple = &seen.packet.tuple;
    let hash = uplink::hash(tuple, u32::from(tuple.destination_port_be));
    let edge = field!(counts, edges[hash as usize & (EDGES - 1)]);
    let window = (seen.start_ns >> WINDOW_BITS) as u32;
    let counted_window = field!(edge, window).get();
    let mut requests = field!(edge, requests).get();
    let mut requests_before = field!(edge, requests_before).get();
    if counted_window != window {
        let is_next = counted_window.wrapping_add(1) == window;
        requests_before = if is_next { requests } else { 0 };
        requests = 0;
        field!(edge, requests_before).set(requests_before);
    }
    requests += 1;
    field!(edge, requests).set(requests);
    // Last: a CPU that still loads the old number begins the window itself.
    field!(edge, window).set(window);
    // The unused part of the window before is added: load begins and goes on in bursts.
    let spare = limit.saturating_sub(requests_before);
    let is_over = limit != 0 && requests > limit + spare;
    if is_over {
        count(Counter::Shed);
    }
    is_over
}
