//! The OpenTelemetry instrumentation scope of hopspan's spans.

/// The name of the scope. A span of any other scope is the application's.
pub const NAME: &str = "hopspan";
