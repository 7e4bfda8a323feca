//! The exporter, whose requests say that nobody shall trace them.
//!
//! The agent sees its own export like any other traffic of the node. A trace made of it
//! (`--untraced`) would be exported by a request of which a trace is made, and so on for ever.

use std::{collections::HashMap, env};

use opentelemetry_otlp::{
    ExporterBuildError, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
    SpanExporter, WithHttpConfig as _, WithTonicConfig as _, tonic_types::metadata::MetadataMap,
};

/// B3's decision against a trace, which needs no ids.
const NO_TRACE: (&str, &str) = ("b3", "0");

/// The exporter that the OTEL_EXPORTER_OTLP_* variables ask for.
pub(super) fn exporter() -> Result<SpanExporter, ExporterBuildError> {
    let (name, value) = NO_TRACE;
    if is_grpc(|name| env::var(name).ok()) {
        let mut metadata = MetadataMap::new();
        metadata.insert(name, value.parse().expect("ASCII"));
        return SpanExporter::builder()
            .with_tonic()
            .with_metadata(metadata)
            .build();
    }
    SpanExporter::builder()
        .with_http()
        .with_headers(HashMap::from([(name.to_owned(), value.to_owned())]))
        .build()
}

/// Whether the variables choose gRPC; HTTP is the default.
fn is_grpc(variable: impl Fn(&str) -> Option<String>) -> bool {
    [
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
        OTEL_EXPORTER_OTLP_PROTOCOL,
    ]
    .into_iter()
    .filter_map(variable)
    .find(|protocol| matches!(protocol.as_str(), "grpc" | "http/protobuf"))
    .is_some_and(|protocol| protocol == "grpc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signal_s_variable_goes_before_the_general_one() {
        let check = |variables: &[(&str, &str)], expected: bool| {
            let value = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(is_grpc(value), expected, "{variables:?}");
        };
        let (signal, general) = (
            OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
            OTEL_EXPORTER_OTLP_PROTOCOL,
        );
        check(&[], false);
        check(&[(general, "grpc")], true);
        check(&[(general, "http/protobuf")], false);
        check(&[(general, "grpc"), (signal, "http/protobuf")], false);
        check(&[(general, "http/protobuf"), (signal, "grpc")], true);
        check(&[(general, "grpc"), (signal, "smoke")], true);
    }
}
