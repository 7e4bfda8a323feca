//! Edge cases of the dynamic table: sizes, evictions, unknown entries, memory.

use super::*;

/// `x: value` with incremental indexing: 33 bytes in the table plus the length of the value.
fn add(value: &str) -> Vec<u8> {
    let mut block = vec![0x40, 1, b'x'];
    string(value, &mut block);
    block
}

fn string(value: &str, block: &mut Vec<u8>) {
    integer(value.len() as u32, 7, 0, block);
    block.extend_from_slice(value.as_bytes());
}

fn integer(value: u32, prefix_bits: u32, first: u8, block: &mut Vec<u8>) {
    let max = (1 << prefix_bits) - 1;
    if value < max {
        block.push(first | value as u8);
        return;
    }
    block.push(first | max as u8);
    let mut rest = value - max;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

fn resize(table_bytes: u32) -> Vec<u8> {
    let mut block = Vec::new();
    integer(table_bytes, 5, 0x20, &mut block);
    block
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(keep_all);
    check(&mut decoder, &add("a"), &["x: a"]);
    check(&mut decoder, &[0xbe], &["x: a"]);
    let large = "y".repeat(4096);
    check(&mut decoder, &add(&large), &[&format!("x: {large}")]);
    check(&mut decoder, &[0xbe], &["Index"]);
    assert!(decoder.resynchronised());
}

#[test]
fn a_smaller_table_evicts_the_oldest() {
    let mut decoder = Decoder::new(keep_all);
    for value in ["a", "b", "c"] {
        check(&mut decoder, &add(value), &[&format!("x: {value}")]);
    }
    let two = [resize(68), vec![0xbe, 0xbf, 0xc0]].concat();
    check(&mut decoder, &two, &["x: c", "x: b", "Index"]);
    let none_then_some = [resize(0), resize(4096), vec![0xbe]].concat();
    check(&mut decoder, &none_then_some, &["Index"]);
}

#[test]
fn size_updates_come_first_and_within_the_settings() {
    let mut decoder = Decoder::new(keep_all);
    check(
        &mut decoder,
        &[0x82, 0x20],
        &[":method: GET", "SizeUpdatePlace"],
    );
    check(&mut decoder, &resize(4097), &["SizeUpdateLimit"]);
    decoder.allow(Some(8192));
    check(&mut decoder, &resize(8192), &[]);
    // A smaller setting, which the encoder may not have received yet.
    decoder.allow(Some(100));
    check(&mut decoder, &resize(8192), &[]);
    check(&mut decoder, &resize(8193), &["SizeUpdateLimit"]);
    decoder.allow(None);
    check(&mut decoder, &resize(1 << 20), &[]);
}

#[test]
fn an_index_of_zero_or_beyond_the_table_is_an_error() {
    check(&mut Decoder::new(keep_all), &[0x80], &["Index"]);
    check(&mut Decoder::new(keep_all), &[0xbe], &["Index"]);
    check(
        &mut Decoder::new(keep_all),
        &[0x7f, 0x00, 0x01, b'v'],
        &["Index"],
    );
    check(&mut Decoder::new_unknown(keep_all), &[0x80], &["Index"]);
    check(&mut Decoder::new_unknown(keep_all), &[0xbe], &["?"]);
}

#[test]
fn unknown_entries_stay_unknown_and_new_ones_are_known() {
    let mut decoder = Decoder::new_unknown(keep_all);
    // A literal with indexing, whose name is that of an unknown entry.
    check(&mut decoder, &[0x40 | 0x3f, 0x04, 1, b'v'], &["?: v"]);
    check(&mut decoder, &[0xbe, 0xbf], &["?: v", "?"]);
    check(&mut decoder, &add("a"), &["x: a"]);
    check(&mut decoder, &[0xbe, 0xbf, 0xc0], &["x: a", "?: v", "?"]);
    // Names of known entries are known.
    check(&mut decoder, &[0x0f, 62 - 15, 1, b'b'], &["x: b"]);
    check(&mut decoder, &[0x0f, 63 - 15, 1, b'b'], &["?: b"]);
}

#[test]
fn a_table_that_evicts_a_known_entry_is_known() {
    let mut decoder = Decoder::new_unknown(keep_all);
    // Not while the size of the table is unknown.
    for _ in 0..1000 {
        decoder
            .decode(&add("abcdefghijklmnopqrstuvwxyz"), |_| {})
            .unwrap();
    }
    assert!(!decoder.resynchronised());
    check(&mut decoder, &resize(4096), &[]);
    assert!(decoder.resynchronised());

    let mut decoder = Decoder::new_unknown(keep_all);
    check(&mut decoder, &resize(70), &[]);
    check(&mut decoder, &add("a"), &["x: a"]);
    check(&mut decoder, &add("b"), &["x: b"]);
    assert!(
        !decoder.resynchronised(),
        "an unknown empty entry may be left"
    );
    check(&mut decoder, &add("c"), &["x: c"]);
    assert!(decoder.resynchronised());
    check(&mut decoder, &resize(0), &[]);
    assert!(decoder.resynchronised());
}

#[test]
fn of_a_table_beyond_64_kib_the_newest_entries_are_known() {
    let mut decoder = Decoder::new(keep_all);
    decoder.allow(Some(1 << 20));
    check(&mut decoder, &resize(1 << 20), &[]);
    for nth in 0..100 {
        decoder
            .decode(&add(&format!("{nth:01000}")), |_| {})
            .unwrap();
    }
    // 63 entries of 1033 bytes fit 64 KiB.
    assert!(!decoder.resynchronised());
    check(&mut decoder, &[0xbe + 62], &[&format!("x: {:01000}", 37)]);
    check(&mut decoder, &[0xbe + 63], &["?"]);
    assert!(decoder.heap_bytes() <= DECODER_MAX_BYTES);
}

/// Worst-case memory: many small entries, then few large ones in a ring that stays large.
#[test]
fn memory_is_bounded() {
    for mut decoder in [Decoder::new(keep_all), Decoder::new_unknown(keep_all)] {
        decoder.allow(None);
        decoder.decode(&resize(u32::MAX), |_| {}).unwrap();
        let mut most = 0;
        for _ in 0..3000 {
            decoder.decode(&[0x40, 0, 0], |_| {}).unwrap();
            most = most.max(decoder.heap_bytes());
        }
        for _ in 0..100 {
            decoder.decode(&add(&"y".repeat(16_000)), |_| {}).unwrap();
            most = most.max(decoder.heap_bytes());
        }
        assert!((100_000..=DECODER_MAX_BYTES).contains(&most), "{most}");
        decoder.forget();
        assert_eq!(decoder.heap_bytes(), 0);
    }
}

/// The table stores nothing of a value that the policy excludes.
#[test]
fn excluded_values_are_not_stored() {
    let mut decoder = Decoder::new(|_, value| value.strip_prefix(b"keep "));
    check(&mut decoder, &add("keep this"), &["x: keep this"]);
    check(&mut decoder, &add("secret"), &["x: secret"]);
    check(&mut decoder, &[0xbe, 0xbf], &["x: -", "x: this"]);
    assert_eq!(decoder.table.table_bytes(), 33 + 6 + 33 + 9);
    // Both names and `this`.
    assert_eq!(decoder.table.text_bytes(), 1 + 1 + 4);
}
