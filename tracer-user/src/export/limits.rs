//! The bounds of the export queue, from OpenTelemetry's variables for batch span processors.

use std::time::Duration;

/// The bounds of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// OTEL_BSP_MAX_QUEUE_SIZE: spans that wait for the collector, about 40 MiB when full. When
    /// they do, exchanges are shed to bound the agent's memory.
    pub(super) queue_spans: usize,
    /// OTEL_BSP_MAX_EXPORT_BATCH_SIZE: spans in one request, about 1 MiB of OTLP by default.
    pub(super) batch_spans: usize,
    /// OTEL_BSP_SCHEDULE_DELAY, in milliseconds: how long a batch waits to fill.
    pub(super) batch_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_spans: 65_536,
            batch_spans: 2048,
            batch_wait: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// Reads the variables. One that is no number above 0 gets its default.
    pub(super) fn from_environment() -> Self {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| -> Option<usize> {
            let number = variable(name)?.trim().parse().ok();
            number.filter(|number| *number > 0)
        };
        let default = Self::default();
        let queue_spans = number("OTEL_BSP_MAX_QUEUE_SIZE").unwrap_or(default.queue_spans);
        let batch_spans = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").unwrap_or(default.batch_spans);
        Self {
            queue_spans,
            batch_spans: batch_spans.min(queue_spans),
            batch_wait: number("OTEL_BSP_SCHEDULE_DELAY")
                .map_or(default.batch_wait, |ms| Duration::from_millis(ms as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], queue_spans: usize, batch_spans: usize, wait_ms: u64) {
        let limits = Limits::from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let expected = Limits {
            queue_spans,
            batch_spans,
            batch_wait: Duration::from_millis(wait_ms),
        };
        assert_eq!(limits, expected, "{variables:?}");
    }

    #[test]
    fn valid_variables_replace_defaults() {
        check(&[], 65_536, 2048, 1000);
        check(&[("OTEL_BSP_SCHEDULE_DELAY", "200")], 65_536, 2048, 200);
        check(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")], 100, 100, 1000);
        check(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7")], 65_536, 7, 1000);
        check(&[("OTEL_BSP_MAX_QUEUE_SIZE", "0")], 65_536, 2048, 1000);
        check(&[("OTEL_BSP_SCHEDULE_DELAY", "soon")], 65_536, 2048, 1000);
    }
}
