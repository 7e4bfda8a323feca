//! Any bytes as header blocks, each after a byte with its length. What has to hold is
//! asserted in `http2::fuzz`, where property tests use it too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::http2::fuzz;

fuzz_target!(|bytes: &[u8]| fuzz::hpack(bytes));
