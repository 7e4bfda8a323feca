//! Any bytes as one frame of every type. `http2::fuzz` has the assertions, which property tests
//! share.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::http2::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::frame(bytes));
