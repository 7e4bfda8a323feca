//! The examples of the specification, other encoders and decoders, starts in the middle, and
//! hostile bytes.

mod examples;
mod mid_connection;
mod other_implementations;
mod tables;

use super::*;

/// Stores every value, so that decoded fields can be compared with the encoded ones.
fn keep_all<'v>(_name: Option<&[u8]>, value: &'v [u8]) -> Option<&'v [u8]> {
    Some(value)
}

/// A field in one line: `name: value`, with `?` for an unknown part and `-` for a value not stored.
fn line(field: Field<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match field {
        Field::Known { name, value } => format!("{}: {}", text(name), text(value)),
        Field::NotKept { name } => format!("{}: -", text(name)),
        Field::Nameless { value } => format!("?: {}", text(value)),
        Field::Unknown => "?".to_owned(),
    }
}

/// The fields of a block, and an error if there is one, a line each.
fn lines(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Err(error) = decoder.decode(block, |field| lines.push(line(field))) {
        lines.push(format!("{error:?}"));
    }
    lines
}

fn check(decoder: &mut Decoder, block: &[u8], expected: &[&str]) {
    assert_eq!(lines(decoder, block), expected, "{block:02x?}");
}

/// Bytes from hexadecimal digits with white space between them.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
