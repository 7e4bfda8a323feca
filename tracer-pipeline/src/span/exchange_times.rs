//! How long the parts of an exchange took on this node.
//!
//! In: an exchange. Out: nanoseconds, from the stamps and reads of its messages alone. Builds no
//! path and allocates nothing, so that exchanges without spans can be measured too. The times are
//! those of the spans' paths; a test compares them.

use crate::{
    flow::Side,
    http::{Connect, Exchange, Leg, ResponseEnd},
};

use tracer_common::journey::End;

/// The times of one exchange. A part that this node did not see is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExchangeTimes {
    /// From the client's first packet to the end of the response, of a client on this node.
    pub(super) total_ns: Option<u64>,
    /// Connect, request and response on this node, without the time on other nodes and the wire,
    /// and without the rest of a response behind its first packet. Needs a response.
    pub(super) data_plane_ns: Option<u64>,
    /// From the SYN to the SYN-ACK, between nodes as the client or the server sees it.
    pub(super) connect_ns: Option<u64>,
    /// In the server's receive queue until the server reads.
    pub(super) request_queue_ns: Option<u64>,
    /// In the client's receive queue until the client reads.
    pub(super) response_queue_ns: Option<u64>,
}

impl ExchangeTimes {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let connect = exchange.connect.as_ref().map(ConnectTimes::of);
        let response = exchange.response.as_ref();
        let own_connect_ns = connect.map_or(0, |connect| connect.own_ns);
        let data_plane_ns = |response| {
            own_connect_ns
                + MessageTimes::of(&exchange.request).all_ns()
                + MessageTimes::of(response).all_ns()
        };
        let has_client = side(exchange) == Side::Client;
        let total_ns = exchange.ended_ns().saturating_sub(exchange.started_ns());
        Self {
            total_ns: (has_client && has_known_end(exchange)).then_some(total_ns),
            data_plane_ns: response.map(data_plane_ns),
            connect_ns: connect.and_then(|connect| connect.answered_ns),
            request_queue_ns: queue_ns(&exchange.request),
            response_queue_ns: response.and_then(queue_ns),
        }
    }
}

/// The side that is on this node; the client's where both are.
pub(super) fn side(exchange: &Exchange) -> Side {
    match exchange.request.journey.has_arrived() {
        true => Side::Server,
        false => Side::Client,
    }
}

/// Whether the end is that of the exchange, and not that of the agent's patience.
fn has_known_end(exchange: &Exchange) -> bool {
    let is_seen =
        exchange.response.is_some() && !matches!(exchange.response_end, ResponseEnd::After(_));
    exchange.has_failed() || is_seen
}

#[derive(Clone, Copy)]
struct ConnectTimes {
    /// On this node.
    own_ns: u64,
    /// From the first packet to the last, where the SYN-ACK was seen.
    answered_ns: Option<u64>,
}

impl ConnectTimes {
    fn of(connect: &Connect) -> Self {
        let syn = MessageTimes::of(&connect.syn);
        let Some(syn_ack) = &connect.syn_ack else {
            return Self {
                own_ns: syn.all_ns(),
                answered_ns: None,
            };
        };
        let is_elsewhere = connect.syn.journey.has_left() || syn_ack.journey.has_arrived();
        let syn_ack = MessageTimes::of(syn_ack);
        let all_ns = syn_ack.end_ns.max(syn.end_ns).saturating_sub(syn.start_ns);
        let own_ns = match is_elsewhere {
            true => syn.all_ns() + syn_ack.all_ns(),
            false => all_ns,
        };
        Self {
            own_ns,
            answered_ns: Some(all_ns),
        }
    }
}

/// The beginning and the end of a message on this node.
#[derive(Clone, Copy)]
struct MessageTimes {
    start_ns: u64,
    end_ns: u64,
}

impl MessageTimes {
    /// As [`build_path`](crate::path::build_path) and
    /// [`Path::start_at`](crate::path::Path::start_at) set them.
    fn of(leg: &Leg) -> Self {
        let journey = &leg.journey;
        let first = journey.stamps.first().map(|stamp| stamp.at_ns);
        let seen_ns = first.unwrap_or(journey.start_ns);
        let start_ns = match journey.has_arrived() {
            true => seen_ns,
            false => seen_ns.min(leg.first_start_ns()),
        };
        let last_ns = journey.stamps.last().map_or(seen_ns, |stamp| stamp.at_ns);
        let read_ns = leg.read_ns.filter(|_| journey.end == End::Socket);
        Self {
            start_ns,
            end_ns: read_ns.unwrap_or(0).max(last_ns),
        }
    }

    fn all_ns(self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// The time in the receive queue, of a message that was read on this node.
fn queue_ns(leg: &Leg) -> Option<u64> {
    let received = leg.journey.end == End::Socket;
    let read_ns = leg.read_ns.filter(|_| received)?;
    let last_ns = leg.journey.stamps.last()?.at_ns;
    Some(read_ns.saturating_sub(last_ns))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracer_common::message::Message;
    use tracer_semconv::HopName;

    use super::*;
    use crate::{
        flow::{Cause, Ending},
        span::{
            exchange::tests::{
                exchange,
                halves::{client_half, server_half},
                journey, with_context,
            },
            paths::Paths,
        },
    };

    /// The time of the hops that are in this node's data plane, by the spans' paths.
    fn by_paths(exchange: &Exchange) -> u64 {
        with_context(|context| {
            let paths = Paths::of(exchange, context);
            let hops = paths.all().flat_map(|(_, path)| &path.hops);
            let own = hops.filter(|hop| !matches!(hop.name, HopName::Wire | HopName::Body));
            own.map(crate::path::Hop::duration_ns).sum()
        })
    }

    fn failed(exchange: Exchange, cause: Cause) -> Exchange {
        let ending = Ending {
            cause,
            by: None,
            at_ns: 9_000,
            answered_until: None,
        };
        Exchange {
            ending: Some(ending),
            ..exchange
        }
    }

    #[test]
    fn an_exchange_on_one_node() {
        let times = ExchangeTimes::of(&exchange(""));
        let expected = ExchangeTimes {
            // 1,000 to 1,330.
            total_ns: Some(330),
            data_plane_ns: Some(130 + 30 + 30),
            connect_ns: Some(130),
            request_queue_ns: Some(10),
            response_queue_ns: Some(10),
        };
        assert_eq!(times, expected);
    }

    #[test]
    fn the_data_plane_is_what_the_hops_of_the_paths_take() {
        let same = exchange("");
        let mut longer = exchange("");
        longer.response_end = ResponseEnd::At(5_000);
        let mut retried = exchange("");
        retried.request.earlier = vec![journey(Message::Request, 1_140, End::Dropped)];
        for exchange in [same, longer, retried, client_half(), server_half()] {
            let times = ExchangeTimes::of(&exchange);
            assert_eq!(times.data_plane_ns, Some(by_paths(&exchange)));
        }
    }

    #[test]
    fn each_node_has_the_times_that_it_saw() {
        let client = ExchangeTimes::of(&client_half());
        assert_eq!(client.total_ns, Some(330));
        // Until the server's node answers, 60 ns were spent elsewhere.
        assert_eq!(client.connect_ns, Some(130));
        assert_eq!(client.request_queue_ns, None);
        assert_eq!(client.response_queue_ns, Some(10));
        let server = ExchangeTimes::of(&server_half());
        assert_eq!(server.total_ns, None);
        assert_eq!(server.request_queue_ns, Some(10));
        assert_eq!(server.response_queue_ns, None);
    }

    #[test]
    fn an_exchange_without_a_response_has_a_total_only_if_it_has_failed() {
        let mut open = exchange("");
        open.response = None;
        assert_eq!(ExchangeTimes::of(&open).total_ns, None);
        assert_eq!(ExchangeTimes::of(&open).data_plane_ns, None);
        let reset = failed(open, Cause::Reset);
        assert_eq!(ExchangeTimes::of(&reset).total_ns, Some(8_000));
        let mut streaming = exchange("");
        let waited_ns = u64::try_from(Duration::from_secs(600).as_nanos()).unwrap();
        streaming.response_end = ResponseEnd::After(waited_ns);
        assert_eq!(ExchangeTimes::of(&streaming).total_ns, None);
    }
}
