//! Writes histograms with exemplars in the OpenMetrics text format.
//!
//! In: names, help texts, labels, histograms. Out: text. `prometheus-client` has an encoder for
//! histograms that it counts itself; exemplars of others it does not take. It writes native
//! histograms only as protobuf and without exemplars, so these are classic ones.

use std::fmt::Write as _;

use tracer_pipeline::span::{Exemplar, Histogram};

/// A family of histograms.
pub(super) struct HistogramFamily<'t> {
    text: &'t mut String,
    name: &'static str,
}

impl<'t> HistogramFamily<'t> {
    /// Begins a family of this name.
    pub(super) fn new(text: &'t mut String, name: &'static str, help: &str) -> Self {
        // Writing to a String does not fail, here and below.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        Self { text, name }
    }

    /// Adds a histogram, unless it is empty.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        if histogram.count() == 0 {
            return;
        }
        let (text, name) = (&mut *self.text, self.name);
        let labels = written(labels);
        for (bound, count, exemplar) in histogram.buckets() {
            let _ = write!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            if let Some(exemplar) = exemplar {
                write_exemplar(text, exemplar);
            }
            text.push('\n');
        }
        let (count, sum) = (histogram.count(), seconds(histogram.sum_ns()));
        let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
        let _ = writeln!(text, "{name}_sum{{{labels}}} {sum}");
    }
}

fn write_exemplar(text: &mut String, exemplar: &Exemplar) {
    let span = exemplar.span;
    let _ = write!(
        text,
        " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {:.3}",
        span.trace_id,
        span.span_id,
        seconds(exemplar.duration_ns),
        seconds(span.at_unix_ns),
    );
}

/// Labels without their braces.
fn written(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{name}=\"");
        for letter in value.chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                letter => text.push(letter),
            }
        }
        text.push('"');
    }
    text
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use tracer_pipeline::{
        http::trace_context::{SpanId, TraceId},
        span::ExportedSpan,
    };

    use super::*;

    #[test]
    fn a_bucket_has_its_exemplar() {
        let mut histogram = Histogram::default();
        histogram.add(42_000, None);
        let span = ExportedSpan {
            trace_id: TraceId([0xab; 16]),
            span_id: SpanId([0x12; 8]),
            at_unix_ns: 1_700_000_000_250_000_000,
        };
        histogram.add(43_000, Some(span));
        let mut text = String::new();
        let mut family = HistogramFamily::new(&mut text, "wait_seconds", "A wait");
        family.add(&[("who", "a\\b\n\"c\"")], &histogram);
        family.add(&[("who", "empty")], &Histogram::default());
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "# HELP wait_seconds A wait",
            "# TYPE wait_seconds histogram",
            r#"wait_seconds_bucket{who="a\\b\n\"c\"",le="1e-05"} 0"#,
            r#"wait_seconds_bucket{who="a\\b\n\"c\"",le="2.5e-05"} 0"#,
            r#"wait_seconds_bucket{who="a\\b\n\"c\"",le="5e-05"} 2 # {trace_id="abababababababababababababababab",span_id="1212121212121212"} 0.000043 1700000000.250"#,
            r#"wait_seconds_bucket{who="a\\b\n\"c\"",le="0.0001"} 2"#,
        ];
        assert_eq!(lines[..6], expected);
        let expected = [
            r#"wait_seconds_bucket{who="a\\b\n\"c\"",le="+Inf"} 2"#,
            r#"wait_seconds_count{who="a\\b\n\"c\""} 2"#,
            r#"wait_seconds_sum{who="a\\b\n\"c\""} 0.000085"#,
        ];
        assert_eq!(lines[21..], expected);
    }
}
