//! What the log says about the collector: a line when an outage begins, and one when it ends.
//!
//! In: the result of each request. Out: log lines.

use std::time::{Duration, Instant};

use super::{printable::printable, transport::SendError};

/// The time between two warnings of a collector that accepts.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// The state of the collector, as the requests so far show it.
#[derive(Debug, Default)]
pub(super) struct Outage {
    since: Option<Instant>,
    /// A request that cannot be sent again was logged in this outage.
    has_lost: bool,
    warned: Option<Instant>,
}

impl Outage {
    /// A request has failed.
    pub(super) fn failed(&mut self, error: &SendError) {
        let is_new = self.since.is_none();
        self.since.get_or_insert_with(Instant::now);
        if error.can_retry && is_new {
            tracing::error!(
                "spans wait in the queue and are sent again: {error}; is OTEL_EXPORTER_OTLP_ENDPOINT right?"
            );
        } else if !error.can_retry && !std::mem::replace(&mut self.has_lost, true) {
            tracing::error!("spans are lost: {error}; is OTEL_EXPORTER_OTLP_ENDPOINT right?");
        }
    }

    /// A request was accepted.
    pub(super) fn accepted(&mut self) {
        if let Some(since) = self.since.take() {
            self.has_lost = false;
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!("the collector accepts spans again, after {seconds:.1} s");
        }
    }

    /// The collector accepted a request and has sent a message with its answer.
    pub(super) fn warning(&mut self, message: &str, refused: u64) {
        if self
            .warned
            .is_some_and(|at| at.elapsed() < BETWEEN_WARNINGS)
        {
            return;
        }
        self.warned = Some(Instant::now());
        let message = printable(message);
        tracing::warn!(
            "the collector accepts a request and refuses {refused} of its spans: {message}"
        );
    }
}
