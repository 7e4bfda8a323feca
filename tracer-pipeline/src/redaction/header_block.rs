//! Redacts header blocks of HTTP/2. In: the parts of the blocks of one direction, in order. Out: the
//! same with other values of the same lengths, coded and decoded, so that dynamic tables evict the same
//! entries. A value from a dynamic table was redacted where it came into the table.

use std::ops::Range;

use tracer_common::trace_header::TraceHeader;

use crate::{
    http::{UrlPaths, head, rpc::Rpc, trace_context::TRACERESPONSE, url_template},
    http2::{
        headers::{is_grpc, is_traceparent, retained_part},
        hpack::{Decoder, FILLER, Field, HpackError, StringContent, refill},
    },
};

use super::target::{self, REDACTED};

/// Longest part of a field that is kept until the rest comes.
const CUT_FIELD_MAX_BYTES: usize = 64 * 1024;
/// An index that refers to no entry: the reader of a block stops there.
const INVALID: u8 = 0x80;

/// Redacts the header blocks of one direction.
pub(super) struct HeaderBlocks {
    url_paths: UrlPaths,
    decoder: Decoder,
    /// The beginning of a field that the last part ended within, as it was sent.
    cut_field: Vec<u8>,
    /// The rest of the block cannot be decoded.
    is_invalid: bool,
}

/// A value in a block.
struct Literal {
    name: Option<Vec<u8>>,
    value: Vec<u8>,
    /// The string, with its length.
    string: Range<usize>,
}

impl Literal {
    fn is(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name.as_bytes())
    }
}

impl HeaderBlocks {
    /// Of a connection that begins now, or that began earlier.
    pub(super) fn new(begins: bool, url_paths: UrlPaths) -> Self {
        let mut decoder = if begins {
            Decoder::new(retained_part)
        } else {
            Decoder::new_unknown(retained_part)
        };
        // The settings of the other side are not read here.
        decoder.allow(None);
        Self {
            url_paths,
            decoder,
            cut_field: Vec::new(),
            is_invalid: false,
        }
    }

    /// Bytes of this direction are missing.
    pub(super) fn lose(&mut self) {
        self.decoder.forget();
        self.cut_field.clear();
        self.is_invalid = true;
    }

    /// Begins a block.
    pub(super) fn begin(&mut self) {
        if !self.cut_field.is_empty() {
            self.lose();
        }
        self.is_invalid = false;
    }

    /// Redacts the next part of the block in place.
    pub(super) fn redact(&mut self, part: &mut [u8]) {
        if self.is_invalid {
            part.fill(INVALID);
            return;
        }
        let mut block = std::mem::take(&mut self.cut_field);
        let before = block.len();
        block.extend_from_slice(part);
        let mut literals = Vec::new();
        let mut calls_grpc = false;
        let (decoded_to, decoded) = self.decoder.decode_located(&block, |field, string| {
            calls_grpc |= names_grpc(&field);
            let (name, value) = match field {
                Field::Known { name, value } => (Some(name.to_vec()), value),
                Field::Nameless { value } => (None, value),
                Field::NotKept { .. } | Field::Unknown => return,
            };
            literals.extend((!string.is_empty()).then(|| Literal {
                name,
                value: value.to_vec(),
                string,
            }));
        });
        let mut redacted = block.clone();
        for literal in literals {
            self.literal(&literal, before, calls_grpc, &mut redacted);
        }
        match decoded {
            Ok(()) => {}
            Err(HpackError::Truncated) if block.len() - decoded_to <= CUT_FIELD_MAX_BYTES => {
                self.cut_field = block.split_off(decoded_to);
                self.cut(&mut redacted[decoded_to..]);
            }
            Err(_) => {
                redacted[decoded_to..].fill(INVALID);
                self.lose();
            }
        }
        part.copy_from_slice(&redacted[before..]);
    }

    /// Redacts a value. `before` bytes of the block are in an earlier record.
    fn literal(&self, literal: &Literal, before: usize, calls_grpc: bool, block: &mut [u8]) {
        let string = &mut block[literal.string.clone()];
        let Some(content) = StringContent::of(string) else {
            return;
        };
        let is_torn = literal.string.start + content.range.start < before;
        let Some(coded) = string.get_mut(content.range) else {
            return;
        };
        let value = redacted_value(literal, calls_grpc, self.url_paths);
        if value == literal.value {
            return;
        }
        if is_torn {
            fill(coded, content.huffman_coded);
        } else if !content.huffman_coded {
            coded.copy_from_slice(&value);
        } else {
            let is_kept = |at| literal.value.get(at) == value.get(at);
            let refilled = refill(&literal.value, is_kept, coded.len());
            let is_same = |text: &[u8]| template(text) == template(&literal.value);
            match refilled.filter(|refilled| !literal.is(":path") || is_same(&refilled.text)) {
                Some(refilled) => coded.copy_from_slice(&refilled.coded),
                None => fill(coded, true),
            }
        }
    }

    /// Redacts the bytes of a field that continues in the next part.
    fn cut(&self, field: &mut [u8]) {
        let Some(cut) = self.decoder.cut_literal(&self.cut_field) else {
            return;
        };
        if !cut.name.is_some_and(|name| is_kept_whole(&name))
            && let Some(value) = field.get_mut(cut.value.range.start..)
        {
            fill(value, cut.value.huffman_coded);
        }
    }
}

/// What stays of a value, with fillers in the place of the rest.
fn redacted_value(literal: &Literal, calls_grpc: bool, url_paths: UrlPaths) -> Vec<u8> {
    let mut value = literal.value.clone();
    match literal.name.as_deref() {
        Some(name) if is_kept_whole(name) => {}
        Some(b":path") => path(&mut value, calls_grpc, url_paths),
        Some(b":authority" | b"host") => target::user_information(&mut value),
        Some(b"content-type") if is_grpc(&value) => {
            // The next byte shows that it is not gRPC-Web's.
            if let Some(parameters) = value.get_mut("application/grpc+".len()..) {
                parameters.fill(REDACTED);
            }
        }
        // A reader that has not seen the beginning of the connection finds it by its form.
        _ if is_traceparent(&value) => {}
        _ => value.fill(REDACTED),
    }
    value
}

fn path(value: &mut [u8], calls_grpc: bool, url_paths: UrlPaths) {
    let is_call = calls_grpc
        && url_paths == UrlPaths::Template
        && head::path(value, false).is_some_and(|path| Rpc::from_path(&path).is_some());
    match value.first() {
        Some(b'*') if value.len() == 1 => {}
        Some(b'/') if is_call => target::path(value, false, UrlPaths::Full),
        Some(b'/') => target::path(value, false, url_paths),
        _ => value.fill(REDACTED),
    }
}

/// The template of a path, as the span of a request has it.
fn template(path: &[u8]) -> Option<String> {
    let path = head::path(path, false)?;
    Some(url_template::template(&path).into_owned())
}

fn names_grpc(field: &Field<'_>) -> bool {
    matches!(field, Field::Known { name: b"content-type", value } if is_grpc(value))
}

/// Whether the value of a field is in spans, or decides about them.
fn is_kept_whole(name: &[u8]) -> bool {
    [
        &b":method"[..],
        b":status",
        b"grpc-status",
        TRACERESPONSE.as_bytes(),
    ]
    .contains(&name)
        || TraceHeader::find(name).is_some()
}

/// Overwrites a coded string, or a part of one.
fn fill(coded: &mut [u8], huffman_coded: bool) {
    coded.fill(if huffman_coded { FILLER } else { REDACTED });
}
