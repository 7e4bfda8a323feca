//! Loops that the verifier walks through once, whatever their length (kernel: bpf_loop, 5.17).
//!
//! The state of a loop is on the stack, and no turn changes it: before 6.7 the verifier walks through
//! the first turn alone, and removes what only a later one would do. What changes belongs in map
//! memory, of which the verifier assumes nothing.

use core::{ffi::c_void, ops::ControlFlow};

use aya_ebpf::helpers;

/// The state of a loop, and what one turn does with it.
pub(crate) trait Turn {
    /// Breaks to end the loop before its last turn.
    fn turn(&self, index: u32) -> ControlFlow<()>;
}

/// Takes at most `turns` turns. Returns how many it took.
#[inline(always)]
pub(crate) fn repeat<T: Turn>(turns: u32, state: &T) -> u32 {
    // SAFETY: the callback has the prototype of the helper, and `state` outlives the loop.
    let taken = unsafe {
        helpers::bpf_loop(
            turns,
            callback::<T> as *mut c_void,
            (&raw const *state).cast_mut().cast::<c_void>(),
            0,
        )
    };
    taken as u32
}

extern "C" fn callback<T: Turn>(index: u32, state: *mut c_void) -> u64 {
    // SAFETY: `repeat` passes the address of its `T`, which it has borrowed.
    let state = unsafe { &*state.cast::<T>() };
    // The values are the helper's: 0 goes on, 1 ends the loop.
    match state.turn(index) {
        ControlFlow::Continue(()) => 0,
        ControlFlow::Break(()) => 1,
    }
}
