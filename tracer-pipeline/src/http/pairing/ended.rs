//! The end of a connection, for its open exchanges.
//!
//! In: how the connection ended, and how far the server's bytes have come. Out: the exchanges. The
//! end is the error of those of which no response can have begun, or whose response is cut or lost.

use crate::{
    flow::{Cause, Ending, LastLoss, after, before},
    http::exchange::{Exchange, ResponseEnd},
};

use super::connection::Http1Connection;

impl Http1Connection {
    /// Removes and returns the exchanges whose response has not come, or not ended, or was lost.
    ///
    /// One without a response has the ending unless its response may have come unseen: the server
    /// has sent more than one byte, which may be its FIN, behind what the client had received before
    /// the request, and behind the last response that was seen, be it an interim one. If the client
    /// pipelines, these bytes may belong to the first of several exchanges or to all of them, so each
    /// for which they lie behind has no ending; nor has any where it is not known which of them are
    /// answered, or where a record may be lost.
    pub(super) fn ended(&mut self, ending: Ending, last_loss: LastLoss) -> Vec<Exchange> {
        let next_response = self
            .sequence
            .next_response()
            .filter(|_| !self.is_in_doubt());
        let (pipelines, is_ordered) = (self.pipelines(), self.is_ordered());
        let mut open = self.remove_where(|open| {
            open.response.is_none() || open.is_responding() || is_lost(open, &ending)
        });
        for exchange in &mut open {
            let is_hidden = last_loss.may_hide(exchange.request.first_start_ns());
            let has_failed = if is_lost(exchange, &ending) {
                true
            } else if exchange.is_responding() {
                let is_followed = exchange.response_end == ResponseEnd::Unseen;
                let is_unsure = is_followed && next_response.is_none() && (pipelines || is_hidden);
                !is_unsure && is_cut(exchange, next_response, &ending)
            } else {
                let is_unsure = pipelines && (!is_ordered || is_hidden);
                !is_unsure && !may_be_answered(exchange, next_response, &ending)
            };
            if has_failed {
                exchange.ending = Some(ending);
            } else if exchange.response_end == ResponseEnd::WithConnection {
                exchange.response_end = ResponseEnd::At(ending.at_ns);
            }
        }
        open
    }
}

/// Whether the end of the connection has cut a response that has begun. `end` is where it ends, if
/// that is known: then it counts whether the server's bytes have come so far. An orderly end alone
/// shows nothing, because the record of the last packet may be lost.
fn is_cut(exchange: &Exchange, end: Option<u32>, ending: &Ending) -> bool {
    match end.zip(ending.answered_until) {
        Some((end, bytes)) if exchange.response_end == ResponseEnd::Unseen => {
            before(bytes.until(), end)
        }
        _ => ending.cause != Cause::Closed,
    }
}

fn is_lost(exchange: &Exchange, ending: &Ending) -> bool {
    let response = exchange.response.as_ref();
    response.is_some_and(|response| response.is_lost(ending))
}

fn may_be_answered(exchange: &Exchange, next_response: Option<u32>, ending: &Ending) -> bool {
    let Some(until) = ending.response_until() else {
        return false;
    };
    let request = &exchange.request;
    let first_ack = request.earlier.iter().map(|journey| journey.ack).fold(
        request.journey.ack,
        |first, ack| {
            if before(ack, first) { ack } else { first }
        },
    );
    let begin = next_response
        .filter(|next| after(*next, first_ack))
        .unwrap_or(first_ack);
    after(until, begin.wrapping_add(1))
}
