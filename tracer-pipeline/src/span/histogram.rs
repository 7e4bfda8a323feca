//! A histogram of durations with fixed buckets.
//!
//! In: durations, each with the span that took so long, if it was exported. Out: counts, the sum,
//! and the last such span of each bucket.

use crate::http::trace_context::{SpanId, TraceId};

/// A bucket's inclusive upper bound: in nanoseconds, and in seconds as the label `le` has it.
///
/// The text is the canonical form of OpenMetrics, section "Numbers".
type Bound = (u64, &'static str);

/// The bounds of the buckets, 10 microseconds to 10 seconds. A last bucket has no bound.
const BOUNDS: [Bound; 19] = [
    (10_000, "1e-05"),
    (25_000, "2.5e-05"),
    (50_000, "5e-05"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1.0"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5.0"),
    (10_000_000_000, "10.0"),
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// An exported span, and when its exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedSpan {
    /// The application's trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    pub at_unix_ns: u64,
}

/// A duration and the span that took so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exemplar {
    /// The span.
    pub span: ExportedSpan,
    /// The duration in nanoseconds.
    pub duration_ns: u64,
}

/// Counts of durations by bucket.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum_ns: u64,
    exemplars: [Option<Exemplar>; BUCKETS],
}

impl Histogram {
    /// Adds a duration in nanoseconds.
    pub fn add(&mut self, duration_ns: u64, span: Option<ExportedSpan>) {
        let bucket = BOUNDS.partition_point(|(bound_ns, _)| *bound_ns < duration_ns);
        self.counts[bucket] += 1;
        self.sum_ns = self.sum_ns.saturating_add(duration_ns);
        let Some(span) = span else { return };
        let last = &mut self.exemplars[bucket];
        // Prometheus refuses an exemplar that is older than the last one of its series.
        if last.is_none_or(|last| last.span.at_unix_ns <= span.at_unix_ns) {
            *last = Some(Exemplar { span, duration_ns });
        }
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of the durations in nanoseconds.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Each bucket: its bound in seconds, the durations up to it, and its exemplar.
    pub fn buckets(&self) -> impl Iterator<Item = (&'static str, u64, Option<&Exemplar>)> {
        let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        let counts = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        let buckets = bounds.zip(counts).zip(&self.exemplars);
        buckets.map(|((bound, count), exemplar)| (bound, count, exemplar.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u8, at_unix_ns: u64) -> ExportedSpan {
        ExportedSpan {
            trace_id: TraceId([id; 16]),
            span_id: SpanId([id; 8]),
            at_unix_ns,
        }
    }

    #[test]
    fn the_texts_of_the_bounds_are_their_seconds() {
        for (bound_ns, text) in BOUNDS {
            let seconds: f64 = text.parse().unwrap();
            assert_eq!((seconds * 1e9).round() as u64, bound_ns, "{text}");
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_bound_is_in_its_own_bucket() {
        let mut histogram = Histogram::default();
        for duration_ns in [0, 10_000, 10_001, 10_000_000_000, 10_000_000_001] {
            histogram.add(duration_ns, None);
        }
        let counts: Vec<(&str, u64)> = histogram
            .buckets()
            .map(|(bound, count, _)| (bound, count))
            .collect();
        assert_eq!(counts[..2], [("1e-05", 2), ("2.5e-05", 3)]);
        assert_eq!(counts[18..], [("10.0", 4), ("+Inf", 5)]);
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum_ns(), 20_000_020_002);
    }

    #[test]
    fn a_bucket_keeps_its_last_exported_span() {
        let mut histogram = Histogram::default();
        for (duration_ns, span) in [
            (9_000, Some(span(1, 50))),
            (8_000, Some(span(2, 60))),
            (7_000, None),
            // It ended earlier.
            (6_000, Some(span(3, 59))),
            (20_000, Some(span(4, 10))),
        ] {
            histogram.add(duration_ns, span);
        }
        let exemplars: Vec<Exemplar> = histogram
            .buckets()
            .filter_map(|(_, _, exemplar)| exemplar.copied())
            .collect();
        let expected = [(8_000, span(2, 60)), (20_000, span(4, 10))];
        assert_eq!(
            exemplars,
            expected.map(|(duration_ns, span)| Exemplar { span, duration_ns })
        );
    }
}
