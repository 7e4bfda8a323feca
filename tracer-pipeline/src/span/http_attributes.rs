//! Attributes of a request and its response: method, path, status, gRPC; and the error type.

use std::borrow::Cow;

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_semconv::error;

use crate::{
    flow::{Cause, Side},
    http::{Answered, Asked, Exchange, Reset, UrlPaths, url_template},
};

use super::attribute::Attribute;

/// The path of a request as a template of low cardinality. A gRPC call's is its path: service and
/// method are names in code.
pub(super) fn template(asked: &Asked) -> Option<Cow<'_, str>> {
    let path = asked.path.as_deref()?;
    Some(match asked.rpc {
        Some(_) => Cow::Borrowed(path),
        None => url_template::template(path),
    })
}

/// Adds the attributes of the request.
pub(super) fn asked(asked: &Asked, url_paths: UrlPaths, attributes: &mut Vec<Attribute>) {
    if let Some(method) = &asked.method {
        attributes.push(Attribute::text(
            semconv::HTTP_REQUEST_METHOD,
            method.as_str(),
        ));
        if let Some(original) = method.original() {
            attributes.push(Attribute::written(
                semconv::HTTP_REQUEST_METHOD_ORIGINAL,
                &original,
            ));
        }
    }
    if let Some(version) = asked.version {
        attributes.push(Attribute::text(semconv::NETWORK_PROTOCOL_VERSION, version));
    }
    let path = match url_paths {
        UrlPaths::Full => asked
            .path
            .as_ref()
            .map(|path| Attribute::written(semconv::URL_PATH, path)),
        UrlPaths::Template => {
            template(asked).map(|template| Attribute::written(URL_TEMPLATE, &template))
        }
        UrlPaths::Off => None,
    };
    attributes.extend(path);
    if asked.is_grpc {
        attributes.push(Attribute::text(RPC_SYSTEM, "grpc"));
    }
    if let (Some(rpc), UrlPaths::Full | UrlPaths::Template) = (&asked.rpc, url_paths) {
        attributes.push(Attribute::written(RPC_SERVICE, &rpc.service));
        attributes.push(Attribute::written(RPC_METHOD, &rpc.method));
    }
}

/// Still in development: the crate has it behind a feature.
const URL_TEMPLATE: &str = "url.template";
// Fixed here: the semantic conventions for RPC are about to rename them.
const RPC_SYSTEM: &str = "rpc.system";
const RPC_SERVICE: &str = "rpc.service";
const RPC_METHOD: &str = "rpc.method";
const RPC_GRPC_STATUS_CODE: &str = "rpc.grpc.status_code";

/// The attributes of the response.
pub(super) fn answered(answered: &Answered) -> impl Iterator<Item = Attribute> {
    let status = answered
        .status
        .map(|status| Attribute::int(semconv::HTTP_RESPONSE_STATUS_CODE, status));
    let grpc_status = answered
        .grpc_status
        .map(|status| Attribute::int(RPC_GRPC_STATUS_CODE, status));
    status.into_iter().chain(grpc_status)
}

/// The value of `error.type`, which is also the span's status description: a gRPC status other
/// than OK, or the end of a stream or connection before the end of the response.
///
/// An HTTP status is not an error here: the application's spans classify it.
pub(super) fn error_type(exchange: &Exchange) -> Option<Cow<'static, str>> {
    if let Some(reset) = exchange.reset.filter(|reset| reset.is_error()) {
        return Some(reset_name(reset.code));
    }
    if let Some(ending) = exchange.ending {
        return Some(cause_name(ending.cause).into());
    }
    match exchange.answered?.grpc_status? {
        0 => None,
        status => Some(grpc_name(status)),
    }
}

/// The `error.type` of a connection's end.
fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Closed => error::CONNECTION_CLOSED,
        Cause::Reset => error::CONNECTION_RESET,
        Cause::TimedOut => error::TIMEOUT,
        Cause::Unreachable => error::HOST_UNREACHABLE,
    }
}

/// The name of a side in attribute values.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Client => tracer_semconv::Side::Client.as_str(),
        Side::Server => tracer_semconv::Side::Server.as_str(),
    }
}

/// Names of the error codes of RFC 9113 section 7.
const RESET_NAMES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// Whether the error code of a reset has a name.
pub(super) fn has_name(reset: Reset) -> bool {
    (reset.code as usize) < RESET_NAMES.len()
}

fn reset_name(code: u32) -> Cow<'static, str> {
    named(&RESET_NAMES, code)
}

/// Status codes of gRPC (google.rpc.Code).
fn grpc_name(status: u32) -> Cow<'static, str> {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    named(&NAMES, status)
}

fn named(names: &[&'static str], code: u32) -> Cow<'static, str> {
    let name = usize::try_from(code).ok().and_then(|code| names.get(code));
    name.map_or_else(|| code.to_string().into(), |name| Cow::Borrowed(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names() {
        assert_eq!(grpc_name(14), "UNAVAILABLE");
        assert_eq!(grpc_name(99), "99");
        assert_eq!(reset_name(8), "CANCEL");
        assert_eq!(reset_name(u32::MAX), "4294967295");
    }
}
