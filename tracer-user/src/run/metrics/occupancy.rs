//! The metrics of bounded tables: the programs' maps, the ring buffer, and the tables of the stages.

use std::fmt;

use super::{encoder::MetricsEncoder, signed};
use crate::run::status::{Numbers, Status};

/// How full each table is, and how much it can hold.
pub(super) fn write(
    metrics: &mut MetricsEncoder<'_>,
    status: &Status,
    numbers: &Numbers,
) -> fmt::Result {
    let mut maps = status.maps();
    maps.push(("journeys".to_owned(), numbers.journeys));
    let maps = || maps.iter().map(|(name, map)| (name.as_str(), *map));
    metrics.gauges(
        "hopspan_map_entries",
        "Entries of each map of the kernel programs when they were last counted; of journeys, at the last sweep",
        "map",
        maps().map(|(name, map)| (name, signed(map.entries))),
    )?;
    metrics.gauges(
        "hopspan_map_capacity",
        "Entries that each map of the kernel programs can have",
        "map",
        maps().map(|(name, map)| (name, signed(map.max_entries))),
    )?;
    metrics.gauge(
        "hopspan_ring_buffer_peak_bytes",
        "Most bytes of records that waited for the agent at once, in the last 30 to 60 seconds",
        signed(numbers.ring.entries),
    )?;
    metrics.gauge(
        "hopspan_ring_buffer_capacity_bytes",
        "Bytes that the ring buffer to the agent holds",
        signed(numbers.ring.max_entries),
    )?;
    let tables = &numbers.tables;
    metrics.gauges(
        "hopspan_table_entries",
        "Entries of the agent's tables",
        "table",
        tables
            .tables
            .iter()
            .map(|table| (table.name, signed(table.entries))),
    )?;
    metrics.gauges(
        "hopspan_table_capacity",
        "Entries that the agent's tables can have",
        "table",
        tables
            .tables
            .iter()
            .map(|table| (table.name, signed(table.max_entries))),
    )?;
    metrics.gauge(
        "hopspan_http2_decoder_bytes",
        "Memory of the decoders of all HTTP/2 connections",
        signed(tables.decoder_bytes),
    )?;
    metrics.gauge(
        "hopspan_http2_decoder_capacity_bytes",
        "Memory that the decoders of all HTTP/2 connections may take",
        signed(tables.max_decoder_bytes),
    )
}
