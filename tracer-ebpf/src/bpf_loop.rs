//! Loops that the verifier walks through once, whatever their length (kernel: bpf_loop, 5.17).
//!
//! The state of a loop is on the stack. What the verifier would track from turn to turn belongs in
//! map memory instead, of which it assumes nothing: one turn then looks like any other to it.

use core::{ffi::c_void, ops::ControlFlow};

use aya_ebpf::helpers;

/// The state of a loop, and what one turn does with it.
pub(crate) trait Turn {
    /// Breaks to end the loop before its last turn.
    fn turn(&mut self, index: u32) -> ControlFlow<()>;
}

/// Takes at most `turns` turns.
#[inline(always)]
pub(crate) fn repeat<T: Turn>(turns: u32, state: &mut T) {
    // SAFETY: the callback has the prototype of the helper, and `state` outlives the loop.
    unsafe {
        helpers::bpf_loop(
            turns,
            callback::<T> as *mut c_void,
            (&raw mut *state).cast::<c_void>(),
            0,
        )
    };
}

extern "C" fn callback<T: Turn>(index: u32, state: *mut c_void) -> u64 {
    // SAFETY: `repeat` passes the address of its `T`, which it has borrowed exclusively.
    let state = unsafe { &mut *state.cast::<T>() };
    // The values are the helper's: 0 goes on, 1 ends the loop.
    match state.turn(index) {
        ControlFlow::Continue(()) => 0,
        ControlFlow::Break(()) => 1,
    }
}
