//! The server's span in a response.

use super::*;

#[test]
fn a_traceresponse_names_the_span_of_the_server() {
    let check = |fields: &str, expected: &str| {
        let response = read(&format!(":status: 200\n{fields}")).into_response(true);
        let span = response.server_span.map(|span| span.span_id.to_string());
        assert_eq!(span.as_deref().unwrap_or("-"), expected, "{fields}");
    };
    let sent = format!("traceresponse: {TRACEPARENT}");
    check(&sent, "b7ad6b7169203331");
    check(&format!("{sent}\n?: {OTHER}"), "b7ad6b7169203331");
    check(&format!("?: {TRACEPARENT}"), "b7ad6b7169203331");
    check(&format!("?: {TRACEPARENT}\n?: {OTHER}"), "-");
    check(&format!("{sent}\n{sent}"), "-");
    check(&format!("traceresponse: x\n?: {TRACEPARENT}"), "-");
    check(&sent.replace("-01", "-00"), "-");
    check(&format!("traceparent: {TRACEPARENT}"), "-");
    check("", "-");
}
