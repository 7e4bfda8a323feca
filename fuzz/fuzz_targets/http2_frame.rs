//! Any bytes as one frame of every type. `http2::fuzz` has the assertions, which property tests
//! share.

#![no_main]

use tracer_pipeline::http2::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzz::frame(bytes));
