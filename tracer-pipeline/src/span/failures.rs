//! Counts failures by reason, service and hop.
//!
//! In: every journey, finished exchange and failed connect, exported or not. Out: counts of
//!
//! - packets of a message that the kernel dropped, by the kernel's reason;
//! - packets that TCP sent again (`retransmitted`);
//! - zero windows (`zero_window`);
//! - exchanges whose connection or stream ended before their response did, by `error.type`;
//! - failed connects, by `error.type`, at the hop where their last packet was dropped.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::{
    decode::{Conntrack, Journey},
    http::{Connect, Exchange, FailedConnect, Leg},
};

use super::{
    Context,
    called_service::{connected_to, service, service_of, translated},
    failed_connect, http_attributes,
};

/// Bound on label sets; failures beyond it are counted as [`OTHER`].
const MAX_FAILURES: usize = 512;
/// Reason of failures beyond the bound, and of streams that end with an error code without a name:
/// a peer chooses it.
const OTHER: &str = "other";

/// The label set of a failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Failure {
    /// The kernel's drop reason, or the kind of failure.
    pub reason: String,
    /// kube-proxy's name of the service, `namespace/name:port`; empty where there is none.
    pub service: Arc<str>,
    /// The hop; empty where the failure has none.
    pub hop: &'static str,
}

/// Counts by label set.
#[derive(Debug, Default)]
pub struct Failures(BTreeMap<Failure, u64>);

impl Failures {
    /// The counts, in order of reason, service and hop.
    pub fn counts(&self) -> impl Iterator<Item = (&Failure, u64)> {
        self.0.iter().map(|(failure, count)| (failure, *count))
    }

    /// Counts a journey that ended in a drop. `translation` finds that of its connection, which a
    /// packet does not have if it was dropped before conntrack had seen it.
    pub fn journey(
        &mut self,
        journey: &Journey,
        translation: impl FnOnce() -> Option<Conntrack>,
        context: &Context<'_>,
    ) {
        let Some(lost) = context.packet_drop(journey) else {
            return;
        };
        let of_connection = || translated(translation()?, context.rules);
        self.count(Failure {
            reason: lost.reason.unwrap_or_default(),
            service: service(journey, context.rules)
                .or_else(of_connection)
                .unwrap_or_else(no_service),
            hop: lost.hop.map_or("", |hop| hop.as_str()),
        });
    }

    /// Counts a failed connect.
    pub fn failed_connect(&mut self, failed: &FailedConnect, context: &Context<'_>) {
        let legs: Vec<&Leg> = failed.connect.iter().flat_map(Connect::legs).collect();
        let asked = failed.socket.sent.destination;
        let service = service_of(legs.iter().copied(), context.rules)
            .or_else(|| connected_to(asked, context.rules))
            .unwrap_or_else(no_service);
        self.retransmissions(legs.iter().copied(), &service, context);
        let dropped = legs.iter().filter_map(|leg| leg.dropped());
        let dropped = dropped.max_by_key(|journey| journey.start_ns);
        let hop = dropped.and_then(|journey| context.packet_drop(journey)?.hop);
        self.count(Failure {
            hop: hop.map_or("", |hop| hop.as_str()),
            ..Failure::of_no_hop(failed_connect::error_type(failed), service)
        });
    }

    /// Counts the failures of a finished exchange.
    pub fn exchange(&mut self, exchange: &Exchange, context: &Context<'_>) {
        let zero_windows: usize = exchange.legs().map(|leg| leg.zero_windows.len()).sum();
        let is_retransmitted = exchange.legs().any(|leg| !leg.earlier.is_empty());
        let has_failed = exchange.has_failed();
        if zero_windows == 0 && !is_retransmitted && !has_failed {
            return;
        }
        let request = [&exchange.request].into_iter();
        let service = service_of(request.chain(exchange.legs()), context.rules);
        let service = service.unwrap_or_else(no_service);
        self.retransmissions(exchange.legs(), &service, context);
        for _ in 0..zero_windows {
            self.count(Failure::of_no_hop("zero_window", Arc::clone(&service)));
        }
        if has_failed && let Some(reason) = http_attributes::error_type(exchange) {
            let has_name = exchange.reset.is_none_or(http_attributes::has_name);
            let reason = if has_name { reason } else { OTHER.into() };
            self.count(Failure::of_no_hop(reason, service));
        }
    }

    /// Counts the retransmissions of these messages, at the hop where the previous packet was
    /// dropped.
    fn retransmissions<'l>(
        &mut self,
        legs: impl Iterator<Item = &'l Leg>,
        service: &Arc<str>,
        context: &Context<'_>,
    ) {
        for leg in legs.filter(|leg| !leg.earlier.is_empty()) {
            let packets = leg.packets();
            for before in packets.iter().take(packets.len().saturating_sub(1)) {
                let hop = context.packet_drop(before).and_then(|lost| lost.hop);
                self.count(Failure {
                    hop: hop.map_or("", |hop| hop.as_str()),
                    ..Failure::of_no_hop("retransmitted", Arc::clone(service))
                });
            }
        }
    }

    /// Adds one to the count of a label set.
    pub fn count(&mut self, failure: Failure) {
        let is_full = self.0.len() >= MAX_FAILURES;
        let failure = match self.0.contains_key(&failure) {
            false if is_full => Failure::of_no_hop(OTHER, no_service()),
            _ => failure,
        };
        *self.0.entry(failure).or_default() += 1;
    }
}

impl Failure {
    /// A failure without a hop.
    pub fn of_no_hop(reason: impl Into<String>, service: Arc<str>) -> Self {
        Self {
            reason: reason.into(),
            service,
            hop: "",
        }
    }
}

fn no_service() -> Arc<str> {
    static NONE: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
    Arc::clone(&NONE)
}

#[cfg(test)]
mod tests;
