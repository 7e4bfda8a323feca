//! Redacts the heads and bodies in head records. In: the copied bytes of packets. Out: the same with
//! `x` in the place of secrets, each line of the same length.

use std::collections::HashMap;

use tracer_common::{
    head::MAX_HEAD_BYTES,
    http1::boundary::{Body, Boundary},
    message::Message,
    trace_header::TraceHeader,
};

use crate::{
    decode::Head,
    http::{
        UrlPaths,
        head::HeadError,
        packet_heads::{self, LocatedHead},
        trace_context::TRACERESPONSE,
    },
};

use super::target::{self, REDACTED};

/// Most heads at a time that continue in another record.
const OPEN_MAX: usize = 1024;
/// Begins no head, as the bytes did that it stands for.
const NO_HEAD: u8 = 1;
/// Fields whose values are parsed, besides those of trace contexts.
const KEPT: [&str; 4] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
];

/// Redacts heads, which may begin in one record and end in another.
pub(super) struct Heads {
    url_paths: UrlPaths,
    /// By the cookie of the socket that sends them.
    open: HashMap<u64, OpenHead>,
}

struct OpenHead {
    message: Message,
    next_seq: u32,
    /// From the first byte of the head on, as they were sent.
    bytes: Vec<u8>,
}

impl Heads {
    pub(super) fn new(url_paths: UrlPaths) -> Self {
        Self {
            url_paths,
            open: HashMap::new(),
        }
    }

    /// Redacts the copied bytes of a record.
    pub(super) fn redact(&mut self, head: &Head, bytes: &mut [u8]) {
        let open = self.open.remove(&head.sender_cookie);
        let mut open = if head.continues {
            let continued = open.filter(|open| open.next_seq == head.seq);
            let Some(open) = continued.filter(|open| open.bytes.len() < MAX_HEAD_BYTES) else {
                bytes.fill(REDACTED);
                return;
            };
            open
        } else {
            OpenHead {
                message: head.message,
                next_seq: 0,
                bytes: Vec::new(),
            }
        };
        open.bytes.extend_from_slice(bytes);
        let mut redacted = vec![REDACTED; open.bytes.len()];
        let begin = messages(open.message, &open.bytes, &mut redacted, self.url_paths);
        let emitted = redacted.len() - bytes.len();
        bytes.copy_from_slice(&redacted[emitted..]);
        if let Some(begin) = begin
            && self.open.len() < OPEN_MAX
        {
            open.bytes.drain(..begin);
            let sent = if head.continues {
                bytes.len()
            } else {
                head.payload_bytes as usize
            };
            open.next_seq = head.seq.wrapping_add(sent as u32);
            self.open.insert(head.sender_cookie, open);
        }
    }
}

/// Writes to `redacted` what stays of messages that begin with `bytes`. Returns where a head begins
/// that is not complete.
fn messages(
    message: Message,
    bytes: &[u8],
    redacted: &mut [u8],
    url_paths: UrlPaths,
) -> Option<usize> {
    let heads = match packet_heads::heads(message, 0, bytes) {
        Ok(heads) => heads,
        Err(HeadError::Incomplete) => {
            redact_head(message, bytes, redacted, url_paths);
            return Some(0);
        }
        Err(_) => {
            redacted.fill(NO_HEAD);
            return None;
        }
    };
    let end = |head: &LocatedHead| head.head_end.map_or(bytes.len(), |end| end as usize);
    for head in heads.iter().filter(|head| head.is_chunked()) {
        let begin = end(head);
        keep_chunk_sizes(&bytes[begin..], &mut redacted[begin..]);
    }
    for head in &heads {
        let range = head.offset as usize..end(head);
        redact_head(
            message,
            &bytes[range.clone()],
            &mut redacted[range],
            url_paths,
        );
    }
    let last = heads.last().filter(|head| head.head_end.is_none());
    last.map(|head| head.offset as usize)
}

/// Keeps the bytes of a body with chunks which make a difference for where it ends.
fn keep_chunk_sizes(body: &[u8], redacted: &mut [u8]) {
    let mut boundary = Boundary::after_head(Body::Chunked);
    let mut at = 0;
    while let Some(byte) = body.get(at).copied() {
        let here = u32::try_from(body.len() - at).unwrap_or(u32::MAX);
        if boundary.is_at_head() {
            return;
        }
        let is_read = boundary.skips(here) == 0;
        let Some((passed, next)) = boundary.step(here, || Some(byte)) else {
            return;
        };
        if is_read && boundary.after(REDACTED) != next {
            redacted[at] = byte;
        }
        boundary = next;
        at += passed as usize;
    }
}

/// Redacts one head, whole or cut.
fn redact_head(message: Message, head: &[u8], redacted: &mut [u8], url_paths: UrlPaths) {
    redacted.copy_from_slice(head);
    let empty = head
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    let mut lines = redacted[empty..].split_inclusive_mut(|byte| *byte == b'\n');
    if let Some(line) = lines.next() {
        match message {
            Message::Request => request_line(line, url_paths),
            _ => status_line(line),
        }
    }
    // Of the field to which folded lines belong.
    let mut is_kept = false;
    for line in lines {
        match line.first() {
            Some(b' ' | b'\t') if is_kept => {}
            Some(b' ' | b'\t') => fill(behind_space(line)),
            _ => is_kept = field(line),
        }
    }
}

/// `GET /path?query HTTP/1.1`: the target.
fn request_line(line: &mut [u8], url_paths: UrlPaths) {
    let is_cut = !matches!(line.last(), Some(b' ' | b'\n'));
    let mut words = line
        .split_mut(|byte| b" \r\n".contains(byte))
        .filter(|word| !word.is_empty());
    if let (Some(method), Some(target)) = (words.next(), words.next()) {
        let is_cut = is_cut && words.next().is_none();
        target::redact(target, method, is_cut, url_paths);
    }
}

/// `HTTP/1.1 200 OK`: the reason.
fn status_line(line: &mut [u8]) {
    let mut words = line.splitn_mut(3, |byte| *byte == b' ');
    if let Some(reason) = words.nth(2) {
        fill(reason);
    }
}

/// Redacts the line of a field. Returns whether its value is kept.
fn field(line: &mut [u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        // A name may continue in the next record.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        if !line.iter().all(is_name) {
            fill(line);
        }
        return false;
    };
    let (name, value) = line.split_at_mut(colon);
    let value = behind_space(&mut value[1..]);
    let name = name.trim_ascii();
    let is = |kept: &str| name.eq_ignore_ascii_case(kept.as_bytes());
    if TraceHeader::find(name).is_some() || is(TRACERESPONSE) || KEPT.into_iter().any(is) {
        return true;
    }
    if is("host") && value.last() == Some(&b'\n') {
        target::user_information(value);
    } else {
        fill(value);
    }
    false
}

/// What follows white space within the line.
fn behind_space(text: &mut [u8]) -> &mut [u8] {
    let space = text.iter().take_while(|byte| b" \t".contains(byte)).count();
    &mut text[space..]
}

/// Overwrites text. Control characters stay: they make a difference for the validity of a field, and
/// end lines.
fn fill(text: &mut [u8]) {
    let is_control = |byte: u8| byte.is_ascii_control();
    for byte in text.iter_mut().filter(|byte| !is_control(**byte)) {
        *byte = REDACTED;
    }
}
