//! The interface between frontend and driver: `driver.DriverService` of HotROD, proto3, written out
//! so that the build needs no protoc. In and out: messages. Knows no connection.
//!
//! ```proto
//! package driver;
//! service DriverService {
//!   rpc FindNearest(DriverLocationRequest) returns (DriverLocationResponse);
//! }
//! message DriverLocationRequest { string location = 1; }
//! message DriverLocation { string driverID = 1; string location = 2; }
//! message DriverLocationResponse { repeated DriverLocation locations = 1; }
//! ```

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute::RPC_METHOD;
use tonic::{Code, Status};

/// The HTTP/2 `:path` of the one method.
pub(crate) const FIND_NEAREST_PATH: &str = "/driver.DriverService/FindNearest";

/// Span name of a call, on both sides: service and method.
pub(crate) const FIND_NEAREST_SPAN: &str = "driver.DriverService/FindNearest";

// The conventions are renaming these three and have deprecated their constants. Instrumentations in
// use still write the old names, and so does this application.
const RPC_SYSTEM: &str = "rpc.system";
const RPC_SERVICE: &str = "rpc.service";
const RPC_GRPC_STATUS_CODE: &str = "rpc.grpc.status_code";

/// The customer's location, as `x,y`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DriverLocationRequest {
    #[prost(string, tag = "1")]
    pub(crate) location: String,
}

/// A driver, and the car's location as `x,y`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DriverLocation {
    #[prost(string, tag = "1")]
    pub(crate) driver_id: String,
    #[prost(string, tag = "2")]
    pub(crate) location: String,
}

/// The nearest drivers, in no particular order.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DriverLocationResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) locations: Vec<DriverLocation>,
}

/// `rpc.system`, `rpc.service` and `rpc.method`.
pub(crate) fn method_attributes() -> [KeyValue; 3] {
    [
        KeyValue::new(RPC_SYSTEM, "grpc"),
        KeyValue::new(RPC_SERVICE, "driver.DriverService"),
        KeyValue::new(RPC_METHOD, "FindNearest"),
    ]
}

/// `rpc.grpc.status_code` of a finished call.
pub(crate) fn status_attribute<T>(result: &Result<T, Status>) -> KeyValue {
    let code = result.as_ref().map_or_else(Status::code, |_| Code::Ok);
    KeyValue::new(RPC_GRPC_STATUS_CODE, i64::from(i32::from(code)))
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn messages_have_the_bytes_of_hotrod() {
        // From a capture of Jaeger's HotROD.
        let request = DriverLocationRequest {
            location: "115,277".into(),
        };
        assert_eq!(request.encode_to_vec(), b"\n\x07115,277");
        let response = DriverLocationResponse {
            locations: vec![DriverLocation {
                driver_id: "T735580C".into(),
                location: "452,765".into(),
            }],
        };
        assert_eq!(
            response.encode_to_vec(),
            b"\n\x13\n\x08T735580C\x12\x07452,765"
        );
    }
}
