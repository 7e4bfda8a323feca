//! The frames of a stream, in the order in which its two sides send them.

use std::collections::VecDeque;

use hopspan_e2e::{Parent, frames};

use super::plan::{Body, Form, Noise, Stream};

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// Frames that one side of a stream sends at once.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) by_client: bool,
    pub(super) bytes: Vec<u8>,
    /// They are the last response's head.
    pub(super) is_response: bool,
}

impl Stream {
    /// The parts of both sides of a stream, in their order.
    pub(super) fn parts(&self, id: u32, path: &str, parent: &Parent) -> VecDeque<Part> {
        let part = |by_client, bytes| Part {
            by_client,
            bytes,
            is_response: false,
        };
        let fields = [
            (":method", self.method),
            (":scheme", "http"),
            (":path", path),
            (":authority", "server"),
            ("traceparent", &*parent.traceparent()),
        ];
        let request = self.message(id, &fields, &self.request);
        let mut client: VecDeque<Part> = request.map(|bytes| part(true, bytes)).collect();
        let response = self.message(id, &[(":status", self.status)], &self.response);
        let mut server: VecDeque<Part> = response.map(|bytes| part(false, bytes)).collect();
        server[0].is_response = true;
        if self.has_interim {
            let fields = [(":status", "103"), ("link", "a")];
            server.push_front(part(false, headers(id, &fields, false, self.form)));
        }
        let mut parts = VecDeque::new();
        parts.extend(client.pop_front());
        if self.is_early {
            while let Some(next) = server.pop_front() {
                parts.push_back(next);
                parts.extend(client.pop_front());
            }
        } else {
            parts.append(&mut client);
        }
        parts.append(&mut server);
        parts.append(&mut client);
        if let Some(reset) = self.reset {
            let last = parts.iter().rposition(|part| !part.by_client).unwrap();
            parts.truncate(1 + reset.at.index(last));
            parts.push_back(part(reset.by_client, frames::rst_stream(id, reset.error.0)));
        }
        parts
    }

    /// A message: its head, and the frames behind it.
    fn message(
        &self,
        id: u32,
        fields: &[(&str, &str)],
        body: &Body,
    ) -> impl Iterator<Item = Vec<u8>> + use<> {
        let count = body.data.len();
        let is_empty = count == 0 && !body.has_trailers;
        let head = headers(id, fields, is_empty, self.form);
        let has_trailers = body.has_trailers;
        let data = body.data.iter().enumerate();
        let data: Vec<Vec<u8>> = data
            .map(|(index, bytes)| frames::data(id, bytes, index + 1 == count && !has_trailers))
            .collect();
        let trailers = has_trailers.then(|| headers(id, &[("x-end", "a")], true, self.form));
        std::iter::once(head).chain(data).chain(trailers)
    }
}

/// A header block in HEADERS and CONTINUATION.
fn headers(id: u32, fields: &[(&str, &str)], end_stream: bool, form: Form) -> Vec<u8> {
    let block = frames::block(fields);
    let size = if form.split == 0 {
        block.len()
    } else {
        form.split
    };
    let mut pieces = block.chunks(size);
    let mut payload = Vec::from_iter(form.padding);
    if form.has_priority {
        payload.extend([0, 0, 0, 0, 15]);
    }
    payload.extend(pieces.next().unwrap_or_default());
    payload.extend(vec![0; usize::from(form.padding.unwrap_or(0))]);
    let end = |is_last: bool| if is_last { END_HEADERS } else { 0 };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let flags = flag(end_stream, END_STREAM)
        | flag(form.padding.is_some(), PADDED)
        | flag(form.has_priority, PRIORITY)
        | end(pieces.len() == 0);
    let mut frames = frames::frame(HEADERS, flags, id, &payload);
    while let Some(piece) = pieces.next() {
        frames.extend(frames::frame(
            CONTINUATION,
            end(pieces.len() == 0),
            id,
            piece,
        ));
    }
    frames
}

impl Noise {
    pub(super) fn frame(self) -> Vec<u8> {
        match self {
            Self::Ping => frames::frame(6, 0, 0, &[7; 8]),
            Self::WindowUpdate => frames::frame(8, 0, 0, &[0, 0, 1, 0]),
            Self::Settings => frames::settings(),
            Self::Unregistered => frames::unregistered(),
        }
    }
}
