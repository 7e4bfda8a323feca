//! How full the bounded tables of the stages are, and how much memory they take at most.

use crate::{
    http::{MAX_PARTIAL_HEADS, MAX_WAITING_HEADS},
    identity::{MAX_SERVED, MAX_UNNAMED},
};

/// An exchange or stream that is open, with its packets, of which none was sent again.
const EXCHANGE_BYTES: usize = 3 << 10;
/// What is below a MiB or two each: failures and times of edges, the usual durations of edges, shedding,
/// failed connects that are held back, devices.
const OTHER_BYTES: usize = 8 << 20;
/// The fragments of HTTP/2 whose connection is not known.
const UNPLACED_FRAGMENTS_BYTES: usize = crate::flow::UNPLACED_FRAGMENTS_MAX_BYTES;

/// How full a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in metrics.
    pub name: &'static str,
    /// Its entries.
    pub entries: u64,
    /// What is beyond this is refused and counted.
    pub max_entries: u64,
    /// The memory of an entry.
    entry_bytes: usize,
}

impl Table {
    const fn new(
        name: &'static str,
        (entries, max_entries): (usize, usize),
        entry_bytes: usize,
    ) -> Self {
        Self {
            name,
            entries: entries as u64,
            max_entries: max_entries as u64,
            entry_bytes,
        }
    }
}

/// The tables that grow with traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// All that have entries.
    pub tables: Vec<Table>,
    /// The memory of the decoders of HTTP/2.
    pub decoder_bytes: u64,
    /// What these may take.
    pub max_decoder_bytes: u64,
}

impl Tables {
    /// The memory of all tables of the stages when each is full. Names and rules are not among them:
    /// they grow with the cluster, not with traffic.
    pub fn max_bytes(&self) -> u64 {
        let waiting = MAX_WAITING_HEADS * (2 << 10)
            + MAX_PARTIAL_HEADS * tracer_common::head::MAX_HEAD_BYTES
            + MAX_UNNAMED * EXCHANGE_BYTES
            + MAX_SERVED * 130
            + UNPLACED_FRAGMENTS_BYTES
            + OTHER_BYTES;
        let tables = self.tables.iter();
        let tables: u64 = tables
            .map(|table| table.max_entries * table.entry_bytes as u64)
            .sum();
        tables + self.max_decoder_bytes + waiting as u64
    }
}

impl super::Pipeline {
    /// How full the tables of the stages are.
    pub fn tables(&self) -> Tables {
        let (flow, exchanges) = (&self.flow, &self.exchanges);
        let [connections2, streams, decoders] = exchanges.http2.occupancy();
        Tables {
            tables: vec![
                // The tables of `flow` and that of HTTP/1, and room for unread messages.
                Table::new("connections", flow.occupancy(), 1 << 10),
                Table::new("unread_messages", flow.unread(), 16),
                Table::new("handshakes", exchanges.handshakes(), 1536),
                Table::new(
                    "http1_exchanges",
                    exchanges.http.occupancy(),
                    EXCHANGE_BYTES,
                ),
                // Without the decoders.
                Table::new("http2_connections", connections2, 1 << 10),
                Table::new("http2_streams", streams, EXCHANGE_BYTES),
                Table::new("failed_connects", exchanges.failed(), 2 << 10),
            ],
            decoder_bytes: decoders.0 as u64,
            max_decoder_bytes: decoders.1 as u64,
        }
    }
}
