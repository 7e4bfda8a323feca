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

use crate::{count::count, sent::Sent, uplink};

/// One value, so that the agent reads all pairs at once.
#[map]
static EDGE_COUNTS: Array<Edges> = Array::with_max_entries(1, 0);

/// Requests of a pair that are followed in a window; 0 is no limit.
#[map]
static EDGE_LIMIT: Array<u32> = Array::with_max_entries(1, 0);

/// Counts a request; whether it is one too many.
#[inline(always)]
pub(crate) fn sheds(sent: &Sent<'_>) -> bool {
    let limit = EDGE_LIMIT.get(0).copied().unwrap_or(0);
    let Some(counts) = EDGE_COUNTS.get_ptr_mut(0) else {
        return false;
    };
    // The client's port says nothing of who asks.
    let hash = uplink::hash(
        &sent.packet.tuple,
        u32::from(sent.packet.tuple.destination_port_be),
    );
    // SAFETY: checked for null, and the index is within the array. Of CPUs that count at once one may be
    // lost: a request more is followed then.
    let edge = unsafe { &mut (*counts).edges[hash as usize & (EDGES - 1)] };
    let window = (sent.start_ns >> WINDOW_BITS) as u32;
    if edge.window != window {
        let is_next = edge.window.wrapping_add(1) == window;
        edge.asked_before = if is_next { edge.asked } else { 0 };
        edge.asked = 0;
        edge.window = window;
    }
    edge.asked += 1;
    // What the window before has left over is for this one: load begins and goes on in bursts.
    let spare = limit.saturating_sub(edge.asked_before);
    let is_over = limit != 0 && edge.asked > limit + spare;
    if is_over {
        count(Counter::Shed);
    }
    is_over
}
