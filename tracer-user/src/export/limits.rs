//! The bounds of the export queue, from OpenTelemetry's variables for batch span processors.

use std::time::Duration;

use super::settings::SettingsError;

const QUEUE_SPANS: u32 = 65_536;
const BATCH_SPANS: u32 = 2048;
const WAIT_MS: u32 = 1000;
/// 16 GiB of spans: more is a mistake.
const MAX_SPANS: u32 = 1 << 24;
const MAX_WAIT_MS: u32 = 3_600_000;

/// The memory of the spans in the queue, unless OTEL_BSP_MAX_QUEUE_SIZE sets another number of spans.
pub const DEFAULT_QUEUE_BYTES: usize = QUEUE_SPANS as usize * Limits::BYTES_PER_SPAN;

/// The bounds of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// OTEL_BSP_MAX_QUEUE_SIZE: spans that wait for the collector, about 40 MiB when full.
    pub(super) queue_spans: usize,
    /// OTEL_BSP_MAX_EXPORT_BATCH_SIZE: spans in one request, about 1 MiB of OTLP by default.
    pub(super) batch_spans: usize,
    /// OTEL_BSP_SCHEDULE_DELAY, in milliseconds: how long a batch waits to fill.
    pub(super) batch_wait: Duration,
}

impl Limits {
    /// The queue's bound of memory for each span of its bound of spans, which take 0.6 KiB on average.
    pub(super) const BYTES_PER_SPAN: usize = 1024;

    /// The memory of the spans of a batch. Its request is smaller, and collectors refuse requests of
    /// more than 4 MiB by default.
    pub(super) const BATCH_BYTES: usize = 3 << 20;

    /// The memory of the spans in the queue: 64 MiB by default.
    pub(super) fn queue_bytes(&self) -> usize {
        self.queue_spans.saturating_mul(Self::BYTES_PER_SPAN)
    }

    /// Reads the variables.
    ///
    /// # Errors
    /// When one is no number, or absurd.
    pub(super) fn from_environment() -> Result<Self, SettingsError> {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let number = |name: &'static str, default: u32, max: u32| {
            let set = variable(name).filter(|value| !value.is_empty());
            set.map_or(Ok(default), |value| {
                let number = value.trim().parse().ok();
                let number = number.filter(|number| (1..=max).contains(number));
                number.ok_or(SettingsError::Number { name, value, max })
            })
        };
        let queue_spans = number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SPANS, MAX_SPANS)?;
        let batch_spans = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_SPANS, MAX_SPANS)?;
        let wait_ms = number("OTEL_BSP_SCHEDULE_DELAY", WAIT_MS, MAX_WAIT_MS)?;
        Ok(Self {
            queue_spans: queue_spans as usize,
            batch_spans: batch_spans.min(queue_spans) as usize,
            batch_wait: Duration::from_millis(wait_ms.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(variables: &[(&str, &str)]) -> Result<Limits, SettingsError> {
        Limits::from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn check(variables: &[(&str, &str)], queue_spans: usize, batch_spans: usize, wait_ms: u64) {
        let expected = Limits {
            queue_spans,
            batch_spans,
            batch_wait: Duration::from_millis(wait_ms),
        };
        assert_eq!(limits(variables), Ok(expected), "{variables:?}");
    }

    #[test]
    fn valid_variables_replace_defaults() {
        check(&[], 65_536, 2048, 1000);
        check(&[("OTEL_BSP_SCHEDULE_DELAY", "200")], 65_536, 2048, 200);
        check(&[("OTEL_BSP_SCHEDULE_DELAY", "")], 65_536, 2048, 1000);
        check(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")], 100, 100, 1000);
        check(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7")], 65_536, 7, 1000);
    }

    #[test]
    fn other_values_are_errors() {
        for (name, value) in [
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "18446744073709551615"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
            ("OTEL_BSP_SCHEDULE_DELAY", "3600001"),
        ] {
            let error = limits(&[(name, value)]).unwrap_err().to_string();
            let words = format!("{name}={value:?}: expected a number from 1 to ");
            assert!(error.starts_with(&words), "{error}");
        }
    }
}
