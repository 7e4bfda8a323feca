//! Any bytes as fragments of one connection, in both directions. What has to hold is
//! asserted in `http2::fuzz`, where property tests use it too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::http2::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::connection(bytes));
