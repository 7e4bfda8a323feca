//! Removes the streams that end with their connection, or are overdue.

use super::{
    super::open_stream::{Close, OpenStream, Seen, may_be_answered, may_be_whole},
    OpenStreams,
};
use crate::{
    flow::{Ending, LastLoss},
    http::{Exchange, Leg},
    http2::fragments::Direction,
};

impl OpenStreams {
    /// The connection has ended: ends the open streams.
    pub(in super::super) fn ended(
        &mut self,
        ending: Ending,
        loss: LastLoss,
        done: &mut impl FnMut(Exchange),
    ) {
        let over = self
            .streams_where(|open, stream| stream.close.is_none() || open.is_lost(stream, &ending));
        for id in &over {
            let is_lost = self
                .streams
                .get(id)
                .is_some_and(|stream| self.is_lost(stream, &ending));
            if let Some(stream) = self.streams.get_mut(id).filter(|_| is_lost) {
                stream.close = Some(Close::Connection(ending));
            }
        }
        let is_blind = !self.packets.has_sent(Direction::ToClient);
        for stream in self.streams.values_mut() {
            let request = self.packets.leg(stream.request);
            let response = stream.response.and_then(|packet| self.packets.leg(packet));
            let is_whole = response.zip(stream.body_bytes).is_some_and(|(leg, bytes)| {
                !stream.asked.is_grpc && may_be_whole(leg, bytes, &ending)
            });
            let is_hidden = is_blind && request.is_some_and(|leg| may_be_answered(leg, &ending));
            let is_unsure = is_whole || is_hidden;
            if stream.ends_with_connection(loss) && !is_unsure {
                stream.close = Some(Close::Connection(ending));
            }
        }
        self.finish(over, done);
    }

    /// Closes streams whose response or read is overdue.
    pub(in super::super) fn expire(
        &mut self,
        now_ns: u64,
        response_wait_ns: u64,
        done: &mut impl FnMut(Exchange),
    ) {
        let overdue = self.streams_where(|open, stream| {
            stream.is_overdue(now_ns, response_wait_ns)
                || open.seen(stream) == Seen::Dropped
                    && stream.is_overdue_dropped(now_ns, response_wait_ns)
        });
        for id in overdue {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.close = Some(Close::Overdue { at_ns: now_ns });
            }
        }
        let over = self.streams_where(|open, stream| stream.is_unread(now_ns, open.seen(stream)));
        self.finish(over, done);
    }

    /// Whether the response has ended, and its head or its trailers have not arrived.
    fn is_lost(&self, stream: &OpenStream, ending: &Ending) -> bool {
        let has_ended = matches!(stream.close, Some(Close::Response { .. }));
        has_ended && self.answer(stream).any(|leg| leg.is_lost(ending))
    }

    fn seen(&self, stream: &OpenStream) -> Seen {
        if self.packets.leg(stream.request).is_none() {
            return Seen::Nothing;
        }
        let mut answer = self.answer(stream);
        if answer.any(Leg::is_dropped) {
            Seen::Dropped
        } else {
            Seen::Request
        }
    }

    /// The packets with the head of a response and with its trailers, as far as they were seen.
    fn answer(&self, stream: &OpenStream) -> impl Iterator<Item = &Leg> {
        let packets = [stream.response, stream.trailers].into_iter().flatten();
        packets.filter_map(|packet| self.packets.leg(packet))
    }
}
