//! Who may ask the page's server, and what a browser may do with the answers. In: requests and
//! answers. Out: refusals, and security headers.
//!
//! The server has no passwords: it listens on loopback, and all users of the machine may ask it. The
//! pages of other sites may not. A site whose name resolves to 127.0.0.1 (DNS rebinding) sends its own
//! name in `Host`; a site that merely sends a form or an image's request here cannot read the answer,
//! and cannot send [`CHANGE_HEADER`].

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The page sends it with every request that changes something. Another site's page would have to
/// ask for leave first (CORS preflight), and gets none.
const CHANGE_HEADER: &str = "x-hopspan";

/// Only what the server itself serves, nothing inline, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Refuses what no page of this server sends, and marks all answers.
pub(super) async fn guard(
    State(bound): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(bound, &request) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    };
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn refusal(bound: SocketAddr, request: &Request) -> Option<(StatusCode, &'static str)> {
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| is_ours(bound, host)) {
        let why = "the host is neither localhost nor an IP address\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    }
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !only_reads && !request.headers().contains_key(CHANGE_HEADER) {
        return Some((
            StatusCode::FORBIDDEN,
            "only the page itself changes anything\n",
        ));
    }
    None
}

/// An address cannot be rebound, so any is ours: the connection came here. A name can be.
fn is_ours(bound: SocketAddr, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(port) if port == bound.port() => name,
            _ => return false,
        },
        _ => host,
    };
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || inner.unwrap_or(name).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_can_be_rebound_is_not_ours() {
        let bound = "127.0.0.1:4380".parse().unwrap();
        for ours in [
            "localhost:4380",
            "LOCALHOST:4380",
            "127.0.0.1:4380",
            "[::1]:4380",
            "[::1]",
        ] {
            assert!(is_ours(bound, ours), "{ours}");
        }
        for other in [
            "",
            "attacker.example",
            "attacker.example:4380",
            "localhost:4381",
            "localhost.attacker.example:4380",
            "127.0.0.1.attacker.example:4380",
            "[::1]x:4380",
            "localhost:",
            ":4380",
        ] {
            assert!(!is_ours(bound, other), "{other}");
        }
    }
}
