//! OpenTelemetry's keys for gRPC calls, on request and response.
//!
//! Its conventions have deprecated `rpc.system`, `rpc.service` and `rpc.grpc.status_code`; hopspan
//! keeps them.

/// String: [`SYSTEM_GRPC`].
pub const SYSTEM: &str = "rpc.system";
/// The value of [`SYSTEM`].
pub const SYSTEM_GRPC: &str = "grpc";
/// String: the full name of the service, with its package.
pub const SERVICE: &str = "rpc.service";
/// String: the name of the method.
pub const METHOD: &str = "rpc.method";
/// Integer: the status of the call (google.rpc.Code).
pub const GRPC_STATUS_CODE: &str = "rpc.grpc.status_code";
