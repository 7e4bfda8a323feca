//! Where a request's number is visible to a tracer: in the path and the trace context of the
//! request, and in the status of the response. A tracer that pairs a request with the wrong
//! response shows numbers that differ.

use hyper::StatusCode;

/// The header with the number, in request and response. Tracers do not read it.
pub(crate) const HEADER: &str = "x-id";
/// The first half of all trace ids.
const TRACE_PREFIX: u64 = 0x6563_686f_6563_686f;
/// How many statuses are used, from 200 on. Successive numbers have different ones.
const STATUSES: u64 = 50;

/// `/id/<number>`.
pub(crate) fn path(number: u64) -> String {
    format!("/id/{number}")
}

/// The number in a path that [`path`] made.
pub(crate) fn of_path(path: &str) -> Option<u64> {
    path.strip_prefix("/id/")?.parse().ok()
}

/// The status of the response.
pub(crate) fn status(number: u64) -> StatusCode {
    let offset = u16::try_from(number % STATUSES).unwrap_or_default();
    StatusCode::from_u16(200 + offset).unwrap_or(StatusCode::OK)
}

/// The request's W3C trace context: the number is the parent id, and the second half of the trace
/// id. It must not be 0, which is no valid id.
pub(crate) fn traceparent(number: u64) -> String {
    format!("00-{TRACE_PREFIX:016x}{number:016x}-{number:016x}-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_in_path_status_and_context() {
        assert_eq!(of_path(&path(100_000)), Some(100_000));
        assert_eq!(of_path("/id/x"), None);
        assert_eq!(status(99_999).as_u16(), 249);
        assert_eq!(status(100_000).as_u16(), 200);
        assert_eq!(
            traceparent(255),
            "00-6563686f6563686f00000000000000ff-00000000000000ff-01"
        );
    }
}
