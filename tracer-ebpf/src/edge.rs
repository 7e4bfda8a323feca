//! How many requests of each client to each server are followed.
//!
//! In: requests whose context is sampled. Out: whether this one is more than its pair may have. The agent
//! says how many that is, by what all pairs ask for: few requests of a quiet pair are followed beside many
//! of a noisy one. What is shed here costs no more than a request that is not sampled.

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
/// All CPUs write it, and the agent copies it meanwhile. Two CPUs that count for one pair at the same
/// time may count one request for two, or begin a window twice: a request more or less is followed then.
#[map]
static EDGE_COUNTS: Array<Shared<Edges>> = Array::with_max_entries(1, 0);

/// Requests of a pair that are followed in a window; 0 is no limit. The agent writes it while programs
/// read it: the old limit and the new one are equally right.
#[map]
static EDGE_LIMIT: Array<Shared<u32>> = Array::with_max_entries(1, 0);

/// Counts a request; whether it is one too many.
#[inline(always)]
pub(crate) fn sheds(seen: &FirstSeen<'_>) -> bool {
    let limit = EDGE_LIMIT.value(0).map_or(0, Shared::get);
    let Some(counts) = EDGE_COUNTS.value(0) else {
        return false;
    };
    // The client's port says nothing of who asks.
    let hash = uplink::hash(
        &seen.packet.tuple,
        u32::from(seen.packet.tuple.destination_port_be),
    );
    let edge = field!(counts, edges[hash as usize & (EDGES - 1)]);
    let window = (seen.start_ns >> WINDOW_BITS) as u32;
    let counted_window = field!(edge, window).get();
    let mut asked = field!(edge, asked).get();
    let mut asked_before = field!(edge, asked_before).get();
    if counted_window != window {
        let is_next = counted_window.wrapping_add(1) == window;
        asked_before = if is_next { asked } else { 0 };
        asked = 0;
        field!(edge, asked_before).set(asked_before);
    }
    asked += 1;
    field!(edge, asked).set(asked);
    // Last: a CPU that still reads the old number begins the window itself.
    field!(edge, window).set(window);
    // What the window before has left over is for this one: load begins and goes on in bursts.
    let spare = limit.saturating_sub(asked_before);
    let is_over = limit != 0 && asked > limit + spare;
    if is_over {
        count(Counter::Shed);
    }
    is_over
}
