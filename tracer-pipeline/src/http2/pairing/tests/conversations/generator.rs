//! Writes a conversation: the bytes of both directions, and where each event of a stream is in them.

use std::collections::VecDeque;

use httlib_hpack::Encoder;

use super::plan::{Body, Conversation, Form, Noise, Plan};
use crate::{conversation_tests::Stream, flow::Side};

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// Something that happens on a stream, or a GOAWAY.
#[derive(Clone, Copy, Debug)]
pub(super) struct Milestone {
    pub(super) stream: u32,
    pub(super) from: Side,
    /// The first byte of its frame, and the last byte that it needs.
    pub(super) begin: usize,
    pub(super) last: usize,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Request,
    Response {
        status: u16,
        is_last: bool,
    },
    Trailers {
        grpc_status: Option<u32>,
    },
    DataEnd,
    Reset {
        code: u32,
    },
    /// The server processes no stream after this one.
    GoAway {
        last_stream: u32,
    },
}

/// A part of a stream that one side sends at once.
#[derive(Clone, Copy, Debug)]
enum Part<'p> {
    Request { is_last: bool },
    Interim(u16),
    Response { is_last: bool },
    Data { bytes: &'p [u8], is_last: bool },
    Trailers,
    Reset(u32),
}

/// One direction while it is written.
struct Writer {
    from: Side,
    stream: Stream,
    encoder: Encoder<'static>,
}

/// A written conversation.
pub(super) struct Written {
    pub(super) to_server: Stream,
    pub(super) to_client: Stream,
    pub(super) milestones: Vec<Milestone>,
}

/// The stream of a plan.
pub(super) fn stream_of(index: usize) -> u32 {
    2 * u32::try_from(index).unwrap() + 1
}

impl Plan {
    /// The parts of both sides, in an order in which they may be sent.
    fn parts(&self) -> VecDeque<(Side, Part<'_>)> {
        let request = Part::Request {
            is_last: self.request.is_empty(),
        };
        let mut client = vec![request];
        client.extend(self.request.parts());
        let mut server: Vec<Part<'_>> = Vec::new();
        server.extend(self.interim.iter().map(|status| Part::Interim(*status)));
        server.push(Part::Response {
            is_last: self.response.is_empty(),
        });
        server.extend(self.response.parts());
        if let Some(reset) = self.reset {
            // A request comes before its reset.
            let (parts, at) = if reset.by_client {
                (&mut client, reset.at.max(1))
            } else {
                (&mut server, reset.at)
            };
            parts.truncate(at);
            parts.push(Part::Reset(reset.code));
        }
        let early_after = self.early_after.saturating_add(1).min(client.len());
        let late = client.split_off(early_after);
        let sent = |side: Side| move |part| (side, part);
        let mut parts: VecDeque<_> = client.into_iter().map(sent(Side::Client)).collect();
        let (mut server, mut late) = (server.into_iter(), late.into_iter());
        loop {
            let before = parts.len();
            parts.extend(server.next().map(sent(Side::Server)));
            parts.extend(late.next().map(sent(Side::Client)));
            if parts.len() == before {
                return parts;
            }
        }
    }
}

impl Body {
    fn is_empty(&self) -> bool {
        self.data.is_empty() && !self.has_trailers && !self.ends_apart
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let ends_apart = self.ends_apart && !self.has_trailers;
        let data = self.data.iter().enumerate().map(|(index, bytes)| {
            let is_last = index + 1 == self.data.len() && !self.has_trailers && !ends_apart;
            Part::Data { bytes, is_last }
        });
        let mut parts: Vec<Part<'_>> = data.collect();
        if self.has_trailers {
            parts.push(Part::Trailers);
        } else if ends_apart {
            parts.push(Part::Data {
                bytes: &[],
                is_last: true,
            });
        }
        parts
    }
}

impl Writer {
    fn new(from: Side) -> Self {
        Self {
            from,
            stream: Stream::default(),
            encoder: Encoder::with_dynamic_size(4096),
        }
    }

    /// Writes a frame; the offset of its first byte.
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> usize {
        let begin = self.stream.bytes.len();
        self.stream.write(&frame(kind, flags, stream, payload));
        begin
    }

    /// Writes a header block in one frame or several; the offset of the first byte.
    fn headers(
        &mut self,
        stream: u32,
        is_last: bool,
        form: Form,
        fields: &[(&str, String)],
    ) -> usize {
        let mut block = Vec::new();
        for (name, value) in fields {
            let field = (
                name.as_bytes().to_vec(),
                value.as_bytes().to_vec(),
                form.encoding & !Encoder::NEVER_INDEXED,
            );
            self.encoder.encode(field, &mut block).unwrap();
        }
        let size = if form.split == 0 {
            block.len()
        } else {
            // Fewer frames than the kernel programs follow in one packet.
            form.split.max(block.len() / 20)
        };
        let mut pieces = block.chunks(size.max(1));
        let first = pieces.next().unwrap_or_default();
        let mut flags = if is_last { END_STREAM } else { 0 };
        let mut payload = Vec::new();
        if let Some(padding) = form.padding {
            flags |= PADDED;
            payload.push(padding);
        }
        if form.has_priority {
            flags |= PRIORITY;
            payload.extend([0, 0, 0, 0, 15]);
        }
        payload.extend(first);
        payload.extend(vec![0; usize::from(form.padding.unwrap_or(0))]);
        if pieces.len() == 0 {
            flags |= END_HEADERS;
        }
        let mut frames = frame(1, flags, stream, &payload);
        let count = pieces.len();
        for (index, piece) in pieces.enumerate() {
            let flags = if index + 1 == count { END_HEADERS } else { 0 };
            frames.extend(frame(9, flags, stream, piece));
        }
        self.stream.head(&frames).start
    }

    /// Writes a part of a stream. Its event, if it is one.
    fn part(&mut self, plan: &Plan, index: usize, part: Part<'_>) -> Option<Milestone> {
        let stream = stream_of(index);
        let (begin, what) = match part {
            Part::Request { is_last } => (
                self.headers(stream, is_last, plan.form, &plan.request_fields(index)),
                What::Request,
            ),
            Part::Interim(status) => {
                let fields = [(":status", status.to_string()), ("link", "a".to_owned())];
                self.headers(stream, false, plan.form, &fields);
                return None;
            }
            Part::Response { is_last } => {
                let status = plan.status(index);
                let fields = plan.response_fields(index);
                let begin = self.headers(stream, is_last, plan.form, &fields);
                (begin, What::Response { status, is_last })
            }
            Part::Data { bytes, is_last } => {
                let flags = if is_last { END_STREAM } else { 0 };
                let begin = self.frame(0, flags, stream, bytes);
                if !is_last || self.from == Side::Client {
                    return None;
                }
                return Some(Milestone {
                    stream,
                    from: self.from,
                    begin,
                    last: begin + 8,
                    what: What::DataEnd,
                });
            }
            Part::Trailers => {
                let grpc_status = plan.grpc_status(index);
                let mut fields = vec![("x-end", "a".to_owned())];
                if self.from == Side::Server {
                    let status = grpc_status.map(|status| ("grpc-status", status.to_string()));
                    fields.extend(status);
                }
                let begin = self.headers(stream, true, plan.form, &fields);
                if self.from == Side::Client {
                    return None;
                }
                (begin, What::Trailers { grpc_status })
            }
            Part::Reset(code) => (
                self.frame(3, 0, stream, &code.to_be_bytes()),
                What::Reset { code },
            ),
        };
        Some(Milestone {
            stream,
            from: self.from,
            begin,
            last: self.stream.bytes.len() - 1,
            what,
        })
    }

    fn goaway(&mut self, last_stream: u32) -> Milestone {
        let payload = [last_stream.to_be_bytes(), [0; 4]].concat();
        Milestone {
            stream: 0,
            from: self.from,
            begin: self.frame(7, 0, 0, &payload),
            last: self.stream.bytes.len() - 1,
            what: What::GoAway { last_stream },
        }
    }

    fn noise(&mut self, noise: Noise) {
        match noise {
            Noise::Ping => self.frame(6, 0, 0, &[7; 8]),
            Noise::WindowUpdate => self.frame(8, 0, 0, &[0, 0, 1, 0]),
            // SETTINGS_HEADER_TABLE_SIZE, 64 KiB; SETTINGS_ENABLE_PUSH, 0.
            Noise::Settings => self.frame(4, 0, 0, &[0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]),
            Noise::SettingsAck => self.frame(4, 1, 0, &[]),
            Noise::Unknown => self.frame(0x1f, 0xff, 9, b"unknown"),
            Noise::Grease => self.frame(0x0b + 7 * 0x1f, 0xff, 0x8000_0009, b"grease"),
            Noise::GoAway(_) => return,
        };
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let header = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&header, payload].concat()
}

/// Writes both directions.
pub(super) fn write(conversation: &Conversation) -> Written {
    let (mut client, mut server) = (Writer::new(Side::Client), Writer::new(Side::Server));
    let preface = frame(4, 0, 0, &[]);
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &preface[..]].concat();
    client.stream.head(&preface);
    server.frame(4, 0, 0, &[]);
    let mut milestones: Vec<Milestone> = Vec::new();
    let mut left: Vec<(usize, VecDeque<_>)> = conversation
        .plans
        .iter()
        .enumerate()
        .map(|(index, plan)| (index, plan.parts()))
        .collect();
    let mut noise = conversation.noise.iter().copied();
    let (mut next_noise, mut sent, mut since) = (noise.next(), 0_usize, 0_u8);
    // The newest stream that was opened, and that was answered; the last one that is processed.
    let (mut opened, mut answered, mut last_stream) = (0, 0, u32::MAX >> 1);
    while !left.is_empty() {
        let choice = usize::from(conversation.order[sent % conversation.order.len()]);
        sent += 1;
        // Streams are opened in their order: a stream that is not open lets the first such one go.
        let chosen = choice % left.len();
        let is_closed = |(index, _): &(usize, VecDeque<_>)| stream_of(*index) > opened;
        let at = if is_closed(&left[chosen]) {
            left.iter().position(is_closed).unwrap()
        } else {
            chosen
        };
        let (index, parts) = &mut left[at];
        let (index, stream) = (*index, stream_of(*index));
        let (side, part) = parts.pop_front().unwrap();
        if parts.is_empty() {
            left.remove(at);
        }
        let plan = &conversation.plans[index];
        match side {
            Side::Client => {
                if plan.waits && matches!(part, Part::Request { .. }) {
                    client.stream.wait_for(server.stream.bytes.len());
                }
                opened = opened.max(stream);
                milestones.extend(client.part(plan, index, part));
            }
            Side::Server if stream > last_stream => {}
            Side::Server => {
                answered = answered.max(stream);
                server.stream.wait_for(client.stream.bytes.len());
                milestones.extend(server.part(plan, index, part));
            }
        }
        since += 1;
        if let Some((after, is_client, what)) = next_noise
            && since > after
        {
            (next_noise, since) = (noise.next(), 0);
            if let Noise::GoAway(which) = what {
                let wanted = [answered, opened, u32::MAX >> 1][usize::from(which)];
                last_stream = last_stream.min(wanted);
                server.stream.wait_for(client.stream.bytes.len());
                milestones.push(server.goaway(last_stream));
            } else if is_client {
                client.noise(what);
            } else {
                server.noise(what);
            }
        }
    }
    Written {
        to_server: client.stream,
        to_client: server.stream,
        milestones,
    }
}
