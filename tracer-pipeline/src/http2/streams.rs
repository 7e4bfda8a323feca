//! Decodes one connection. In: fragments of both directions, in the order in which they were sent.
//! Out: [`Event`]s of its streams.
//!
//! # Memory
//!
//! A connection takes at most [`CONNECTION_MAX_BYTES`] between two fragments, even with hostile
//! peers: per direction one incomplete frame, one incomplete block and a dynamic table, and one
//! table of streams. Frames that arrive in one segment are not buffered, and dynamic tables have 4
//! KiB unless the peers agree on more, so ordinary connections take less than 20 KiB. While a block
//! is decoded, two of its strings are on the heap in addition.

mod event;
mod stream_table;
#[cfg(test)]
mod tests;

use super::{
    block::{BLOCK_MAX_BYTES, BlockAssembler, Frame, HeaderBlock},
    fragments::{Assembled, FRAME_MAX_BYTES, FrameAssembler},
    frame::{self, Flags, FrameError, FrameType, Settings},
    headers::{self, Fields, MessageKind, StreamState},
    hpack::{DECODER_MAX_BYTES, Decoder, HpackError},
};

use self::stream_table::StreamTable;

pub use self::event::{ConnectionCounts, DesyncCause, Event};
pub use self::stream_table::{STREAM_TABLE_MAX_BYTES, STREAMS_MAX};
pub use super::fragments::{Direction, FrameFragment};

/// Most memory of a connection between two fragments, in bytes, without the allocator's overhead:
/// some 330 KiB.
pub const CONNECTION_MAX_BYTES: usize = size_of::<Http2Connection>()
    + STREAM_TABLE_MAX_BYTES
    + 2 * (FRAME_MAX_BYTES + BLOCK_MAX_BYTES + DECODER_MAX_BYTES);

const _: () = assert!(CONNECTION_MAX_BYTES < 336 * 1024);

/// The point of a connection from which its fragments are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The connection preface.
    Preface,
    /// The response `101 Switching Protocols` to an HTTP/1.1 request with `Upgrade: h2c` (RFC 7540
    /// section 3.2). That request is the one of stream 1, which is half-closed by the client.
    Upgraded,
    /// Anywhere later.
    Middle,
}

/// One HTTP/2 connection.
pub struct Http2Connection {
    to_server: DirectionState,
    to_client: DirectionState,
    streams: StreamTable,
    counts: ConnectionCounts,
}

/// The decoders of one direction.
struct DirectionState {
    fragments: FrameAssembler,
    blocks: BlockAssembler,
    decoder: Decoder,
}

impl Http2Connection {
    /// A connection before its first fragment.
    #[must_use]
    pub fn new(start: Start) -> Self {
        let mut connection = Self {
            to_server: DirectionState::new(start),
            to_client: DirectionState::new(start),
            streams: StreamTable::default(),
            counts: ConnectionCounts::default(),
        };
        if start == Start::Upgraded {
            connection.streams.open(1, Some(false));
            // The client's settings are in a header field (HTTP2-Settings) that is not read.
            connection.to_client.decoder.allow(None);
        }
        connection
    }

    /// Takes the next fragment.
    pub fn fragment(&mut self, fragment: &FrameFragment<'_>, out: &mut impl FnMut(Event)) {
        let direction = fragment.direction;
        let mut fragments = std::mem::take(&mut self.direction_state(direction).fragments);
        fragments.push(fragment, |piece| self.piece(direction, piece, out));
        self.direction_state(direction).fragments = fragments;
    }

    /// Counters so far.
    #[must_use]
    pub fn counts(&self) -> ConnectionCounts {
        self.counts
    }

    /// Bytes on the heap; with `size_of::<Http2Connection>()` never more than
    /// [`CONNECTION_MAX_BYTES`].
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.to_server.heap_bytes() + self.to_client.heap_bytes() + self.streams.heap_bytes()
    }

    /// Whether no frame of a direction can be missing since the last one.
    #[must_use]
    pub fn is_following(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.to_server.fragments.is_following(),
            Direction::ToClient => self.to_client.fragments.is_following(),
        }
    }

    /// The sequence number of the first byte of a direction's header block, or of its frame, that
    /// is not complete.
    #[must_use]
    pub fn open_seq(&self, direction: Direction) -> Option<u32> {
        let state = match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        };
        state.blocks.open_seq().or(state.fragments.open_seq())
    }

    /// Whether all of a direction's fields can be decoded.
    #[must_use]
    pub fn synchronised(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.to_server.decoder.resynchronised(),
            Direction::ToClient => self.to_client.decoder.resynchronised(),
        }
    }

    fn direction_state(&mut self, direction: Direction) -> &mut DirectionState {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    fn piece(&mut self, direction: Direction, piece: Assembled<'_>, out: &mut impl FnMut(Event)) {
        match piece {
            Assembled::Frame(frame) => self.frame(direction, &frame, out),
            Assembled::Abandoned(frame) => {
                self.frame(direction, &frame, &mut |event: Event| {
                    event.without_end(out);
                });
            }
            Assembled::Gap => self.desynchronised(direction, DesyncCause::Lost, out),
            Assembled::Repeated => self.counts.fragments_again += 1,
        }
    }

    fn frame(&mut self, direction: Direction, frame: &Frame<'_>, out: &mut impl FnMut(Event)) {
        match self.direction_state(direction).blocks.frame(frame) {
            Ok(Some(block)) => self.block(direction, &block, out),
            Ok(None) => self.control(direction, frame, out),
            Err(error) => {
                self.desynchronised(direction, DesyncCause::Frame(error), out);
                if error == FrameError::Interrupted {
                    // The block is abandoned now, so the frame can be read on its own.
                    self.frame(direction, frame, out);
                }
            }
        }
    }

    /// Resets the compression state of a direction, and abandons an incomplete block.
    fn desynchronised(
        &mut self,
        direction: Direction,
        cause: DesyncCause,
        out: &mut impl FnMut(Event),
    ) {
        if let Some(block) = self.direction_state(direction).blocks.abandon() {
            // The fields before the cut are valid. The error is dropped: the cause is reported
            // below.
            let _ = self.message(direction, &block, &mut |event: Event| {
                event.without_end(out);
            });
        }
        self.direction_state(direction).decoder.forget();
        self.counts.desynchronised += 1;
        out(Event::Desynchronised { direction, cause });
    }

    fn block(
        &mut self,
        direction: Direction,
        block: &HeaderBlock<'_>,
        out: &mut impl FnMut(Event),
    ) {
        let cause = match self.message(direction, block, out) {
            _ if block.cut => DesyncCause::Cut,
            Err(error) => DesyncCause::Hpack(error),
            Ok(()) => return,
        };
        self.desynchronised(direction, cause, out);
    }

    /// Decodes a block and reports its message.
    fn message(
        &mut self,
        direction: Direction,
        block: &HeaderBlock<'_>,
        out: &mut impl FnMut(Event),
    ) -> Result<(), HpackError> {
        self.counts.blocks += 1;
        let (mut fields, decoded) =
            Fields::read(&mut self.direction_state(direction).decoder, &block.bytes);
        if block.cut {
            fields.cut();
        }
        if block.promise {
            return decoded;
        }
        self.counts.blocks_incomplete += u64::from(fields.unknown());
        let state = self.streams.state(block.stream);
        match headers::message_kind(&fields, direction, state, block.end_stream) {
            // Streams of clients have odd numbers (RFC 9113 section 5.1.1).
            Some(MessageKind::Request) if block.stream % 2 == 1 => self.request(block, fields, out),
            Some(MessageKind::Request) => self.counts.blocks_malformed += 1,
            Some(_) if state == StreamState::New || state == StreamState::Old => {
                self.counts.blocks_unmatched += 1;
            }
            Some(MessageKind::Interim) => out(Event::Interim {
                stream: block.stream,
                seq: block.seq,
                status: fields.status(),
            }),
            Some(MessageKind::Response) => self.response(block, fields, out),
            Some(MessageKind::Trailers) if direction == Direction::ToClient => {
                self.streams.close(block.stream);
                out(Event::Trailers {
                    stream: block.stream,
                    seq: block.seq,
                    trailers: fields.into_trailers(),
                });
            }
            // Trailers of a request: not needed for spans.
            Some(MessageKind::Trailers) => {}
            None => self.counts.blocks_malformed += 1,
        }
        decoded
    }

    fn request(&mut self, block: &HeaderBlock<'_>, fields: Fields, out: &mut impl FnMut(Event)) {
        let headers = fields.into_request(block.end_stream);
        if let Some(stream) = self.streams.open(block.stream, headers.grpc) {
            self.counts.streams_evicted += 1;
            out(Event::Evicted { stream });
        }
        out(Event::Request {
            stream: block.stream,
            seq: block.seq,
            headers,
        });
        // A request that has crossed the GOAWAY.
        if let Some(code) = self.streams.refusal(block.stream)
            && self.streams.close(block.stream)
        {
            out(Event::Refused {
                stream: block.stream,
                code,
            });
        }
    }

    fn response(&mut self, block: &HeaderBlock<'_>, fields: Fields, out: &mut impl FnMut(Event)) {
        let headers = fields.into_response(block.end_stream);
        if headers.end_stream {
            self.streams.close(block.stream);
        } else {
            self.streams.answer(block.stream, headers.grpc);
        }
        out(Event::Response {
            stream: block.stream,
            seq: block.seq,
            headers,
        });
    }

    fn control(&mut self, direction: Direction, frame: &Frame<'_>, out: &mut impl FnMut(Event)) {
        let (header, payload) = (&frame.header, frame.payload);
        let read = match header.kind {
            FrameType::RstStream => frame::rst_stream(header, payload)
                .map(|code| self.reset(direction, frame, code, out)),
            FrameType::GoAway => {
                frame::goaway(header, payload).map(|goaway| self.goaway(direction, goaway, out))
            }
            FrameType::Settings if !header.flags.has(Flags::ACK) => {
                frame::settings(header, payload).map(|settings| self.settings(direction, settings))
            }
            FrameType::Data if header.flags.has(Flags::END_STREAM) => {
                self.data_end(direction, frame, out);
                Ok(())
            }
            _ => Ok(()),
        };
        self.counts.frames_malformed += u64::from(read.is_err());
    }

    fn reset(
        &mut self,
        direction: Direction,
        frame: &Frame<'_>,
        code: u32,
        out: &mut impl FnMut(Event),
    ) {
        if self.streams.close(frame.header.stream) {
            out(Event::Reset {
                stream: frame.header.stream,
                seq: frame.seq,
                direction,
                code,
            });
        }
    }

    fn goaway(&mut self, direction: Direction, goaway: frame::GoAway, out: &mut impl FnMut(Event)) {
        let frame::GoAway { last_stream, code } = goaway;
        if direction == Direction::ToClient {
            for stream in self.streams.close_after(last_stream, code) {
                out(Event::Refused { stream, code });
            }
        }
        out(Event::GoAway {
            direction,
            last_stream,
            code,
        });
    }

    /// Settings of one side limit the encoder of the other side.
    fn settings(&mut self, direction: Direction, settings: Settings) {
        let decoder = &mut self.direction_state(direction.opposite()).decoder;
        match settings {
            Settings::HeaderTableBytes(bytes) => decoder.allow(Some(bytes)),
            Settings::Cut => decoder.allow(None),
            Settings::Unchanged => {}
        }
    }

    fn data_end(&mut self, direction: Direction, frame: &Frame<'_>, out: &mut impl FnMut(Event)) {
        let stream = frame.header.stream;
        if direction == Direction::ToClient && self.streams.close(stream) {
            out(Event::End {
                stream,
                seq: frame.seq,
            });
        }
    }
}

impl DirectionState {
    fn new(start: Start) -> Self {
        let middle = start == Start::Middle;
        Self {
            fragments: if middle {
                FrameAssembler::from_the_middle()
            } else {
                FrameAssembler::default()
            },
            blocks: BlockAssembler::default(),
            decoder: if middle {
                Decoder::new_unknown(headers::retained_part)
            } else {
                Decoder::new(headers::retained_part)
            },
        }
    }

    fn heap_bytes(&self) -> usize {
        self.fragments.heap_bytes() + self.blocks.heap_bytes() + self.decoder.heap_bytes()
    }
}
