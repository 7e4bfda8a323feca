//! Fields of protobuf, and their lengths.

use prost::{
    bytes::BufMut,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};

/// The length of an AnyValue that is a string. Unlike other fields, an empty string is written.
pub(super) fn text_len(text: &str) -> usize {
    text_field_len(1, text)
}

pub(super) fn pair_len(key: &str, value_len: usize) -> usize {
    text_field_len(1, key) + field_len(2, value_len)
}

pub(super) fn text_field_len(tag: u32, text: &str) -> usize {
    field_len(tag, text.len())
}

/// The length of a length-delimited field, with key and length.
pub(super) fn field_len(tag: u32, length: usize) -> usize {
    key_len(tag) + encoded_len_varint(length as u64) + length
}

pub(super) fn number_len(tag: u32, number: u64) -> usize {
    key_len(tag) + encoded_len_varint(number)
}

pub(super) fn fixed64_len(tag: u32) -> usize {
    key_len(tag) + size_of::<u64>()
}

pub(super) fn fixed32_len(tag: u32) -> usize {
    key_len(tag) + size_of::<u32>()
}

pub(super) fn field(tag: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field_len(tag, bytes.len()));
    put_bytes(tag, bytes, &mut out);
    out
}

pub(super) fn put_text(tag: u32, text: &str, out: &mut Vec<u8>) {
    put_bytes(tag, text.as_bytes(), out);
}

pub(super) fn put_bytes(tag: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_length(tag, bytes.len(), out);
    out.put_slice(bytes);
}

pub(super) fn put_length(tag: u32, length: usize, out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

pub(super) fn put_number(tag: u32, number: u64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(number, out);
}

pub(super) fn put_fixed64(tag: u32, number: u64, out: &mut Vec<u8>) {
    encode_key(tag, WireType::SixtyFourBit, out);
    out.put_u64_le(number);
}

pub(super) fn put_fixed32(tag: u32, number: u32, out: &mut Vec<u8>) {
    encode_key(tag, WireType::ThirtyTwoBit, out);
    out.put_u32_le(number);
}
