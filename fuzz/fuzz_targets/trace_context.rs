//! Any lines as the fields of a head. An extracted id is never zero, the case of names does not
//! matter, and fields of no format change nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::http::trace_context::{Extraction, Reader, extract};

/// W3C trace flags that level 2 defines: sampled and random.
const DEFINED_FLAGS: u8 = 0b11;

fuzz_target!(|bytes: &[u8]| {
    let fields: Vec<(&str, &[u8])> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(field)
        .collect();
    let extraction = extract(fields.iter().copied());
    if let Extraction::Context(context) = extraction {
        assert_ne!(context.trace_id.0, [0; 16]);
        assert_ne!(context.parent_id.0, [0; 8]);
        assert_eq!(context.flags & !DEFINED_FLAGS, 0);
    }
    assert_eq!(
        extraction.sampled().is_some(),
        matches!(extraction, Extraction::Context(context) if context.sampled())
    );

    let mut reader = Reader::default();
    for (name, value) in &fields {
        reader.read("x-unrelated", value);
        reader.read(&name.to_ascii_uppercase(), value);
    }
    assert_eq!(reader.extraction(), extraction);
});

/// `name: value`. Skips names that are not UTF-8.
fn field(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = str::from_utf8(&line[..colon]).ok()?;
    Some((name, &line[colon + 1..]))
}
