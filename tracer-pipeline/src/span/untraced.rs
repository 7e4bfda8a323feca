//! Traces for requests without a trace context (`--untraced`).
//!
//! In: exchanges. Out: a trace for some of them, up to a number per second, with the exchange as
//! its root. A request that is explicitly not sampled gets no trace, and neither does a request
//! whose head was not seen completely.

use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};

use crate::{
    decode::Journey,
    http::{
        Exchange,
        trace_context::{Extraction, TraceId},
    },
};

use super::{exchange_trace::ExchangeTrace, rate_limit::RateLimit};

/// Begins traces at a limited rate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untraced {
    limit: RateLimit,
    left_out: u64,
}

impl Untraced {
    /// Begins at most `per_second` traces a second; none for 0.
    pub fn at_most(per_second: u32) -> Self {
        Self {
            limit: RateLimit::at_most(per_second),
            left_out: 0,
        }
    }

    /// Exchanges without a trace because of the limit.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether this exchange would get a trace if there were no limit.
    pub fn is_meant(&self, exchange: &Exchange) -> bool {
        self.limit.per_second() > 0 && exchange.asked.trace == Extraction::None
    }

    /// The trace of an exchange whose request has no trace context, within the limit.
    ///
    /// The trace id is derived from what both nodes see of the connection, so their ids agree.
    /// Exchanges that began in an earlier second are charged to the current one.
    pub fn begin(&mut self, exchange: &Exchange) -> Option<ExchangeTrace> {
        if !self.is_meant(exchange) {
            return None;
        }
        self.limit.advance(exchange.request.journey.start_ns);
        if !self.limit.take() {
            self.left_out += 1;
            return None;
        }
        Some(ExchangeTrace::Own(trace_id(exchange)))
    }
}

fn trace_id(exchange: &Exchange) -> TraceId {
    let journey = &exchange.request.journey;
    let (client, server) = ends(journey);
    let mut hash = Sha256::new();
    hash.update("hopspan untraced");
    for end in [client, server] {
        hash.update(address_bytes(end));
    }
    hash.update(exchange.request_seq.to_be_bytes());
    hash.update(journey.ack.to_be_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    // All zero is no trace id (W3C Trace Context, section 3.2.2.3).
    id[15] |= u8::from(id == [0; 16]);
    TraceId(id)
}

/// The addresses of client and server after all translations.
fn ends(journey: &Journey) -> (SocketAddr, SocketAddr) {
    journey
        .translation()
        .map_or((journey.sent.source, journey.sent.destination), |known| {
            (known.reply.destination, known.reply.source)
        })
}

fn address_bytes(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        std::net::IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&address.port().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::exchange::tests::exchange;

    const SECOND_NS: u64 = 1_000_000_000;
    const TRACED: &str = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    const NOT_SAMPLED: &str =
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";

    fn at(headers: &str, second: u64) -> Exchange {
        let mut exchange = exchange(headers);
        exchange.request.journey.start_ns = second * SECOND_NS;
        exchange
    }

    /// The number of these exchanges that begin a trace.
    fn begun(untraced: &mut Untraced, exchanges: &[Exchange]) -> usize {
        let begin = |exchange| untraced.begin(exchange);
        exchanges.iter().filter_map(begin).count()
    }

    #[test]
    fn traces_begin_at_a_limited_rate() {
        let mut untraced = Untraced::at_most(2);
        assert_eq!(begun(&mut untraced, &vec![at("", 5); 5]), 2);
        assert_eq!(untraced.left_out(), 3);
        assert_eq!(begun(&mut untraced, &vec![at("", 6); 5]), 2);
        // A longer exchange is charged to the current second.
        assert_eq!(begun(&mut untraced, &[at("", 4)]), 0);
        assert_eq!(begun(&mut Untraced::default(), &[at("", 7)]), 0);
    }

    #[test]
    fn a_trace_context_or_sampling_decision_is_respected() {
        let mut untraced = Untraced::at_most(9);
        let heads = ["b3: 0\r\n", "traceparent: 00-zz\r\n", TRACED, NOT_SAMPLED];
        let exchanges = heads.map(|headers| at(headers, 1));
        assert_eq!(begun(&mut untraced, &exchanges), 0);
        assert_eq!(untraced.left_out(), 0);
    }

    #[test]
    fn two_nodes_derive_the_same_trace_id() {
        let sender = at("", 1);
        let mut receiver = sender.clone();
        let journey = &mut receiver.request.journey;
        journey.start_ns += 5;
        journey.conntrack = None;
        let mut untraced = Untraced::at_most(9);
        let ids = [&sender, &receiver].map(|exchange| untraced.begin(exchange).unwrap());
        assert_eq!(ids[0], ids[1]);
        let mut other = sender.clone();
        other.request_seq += 1;
        assert_ne!(untraced.begin(&other).unwrap(), ids[0]);
    }
}
