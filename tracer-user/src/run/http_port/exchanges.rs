//! `/exchanges`: the exchanges as they happen, a line of JSON each.
//!
//! In: a request with a filter, and where it came from. Out: lines until the client goes away.
//! Lines and not server-sent events, because the readers are programs: `jq` reads them as they are.
//! Refuses clients that are not on this machine, unless the agent was started to let them; and
//! browsers, whose pages would read or begin a watch: the header is none that a page may send to
//! another origin, and a name that a page has pointed to this machine is no host of ours.

use std::{net::IpAddr, time::Duration};

use axum::{
    body::Body,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, HOST},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use tokio::time::timeout;

use crate::run::watch::{Filter, Queued, WatchFrom, Watcher, Watchers};

use super::serve::Peer;

/// The header that a request has, with any value.
pub(super) const HEADER: &str = "hopspan-watch";
/// How often a line comes if nothing happens: each end notices within some seconds that the other is
/// gone.
const ALIVE: Duration = Duration::from_secs(1);

/// Whether a client may watch, and if not, why not. `has_token`: it has shown the token.
pub(super) fn refusal(
    from: WatchFrom,
    peer: Peer,
    headers: &HeaderMap,
    has_token: bool,
) -> Option<(StatusCode, &'static str)> {
    match from {
        WatchFrom::Nowhere if peer != Peer::Unix => {
            return Some((StatusCode::NOT_FOUND, "--watch is off\n"));
        }
        WatchFrom::Loopback if !is_here(peer) => {
            let text = "only for clients on this machine, at a loopback address: see --watch\n";
            return Some((StatusCode::FORBIDDEN, text));
        }
        WatchFrom::Nowhere | WatchFrom::Loopback | WatchFrom::Everywhere => {}
    }
    if !headers.contains_key(HEADER) {
        return Some((
            StatusCode::FORBIDDEN,
            "the header `hopspan-watch: 1` is needed\n",
        ));
    }
    if peer != Peer::Unix && !has_token && !is_host_of_ours(headers) {
        return Some((
            StatusCode::FORBIDDEN,
            "the host has to be an address or localhost\n",
        ));
    }
    None
}

/// Whether the client is on this machine: a loopback address at one end only may be a packet that was
/// routed here.
pub(super) fn is_here(peer: Peer) -> bool {
    match peer {
        Peer::Unix => true,
        Peer::Tcp { client, server } => is_loopback(client) && is_loopback(server),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether the request names an address or `localhost`, which no page has in another's place.
fn is_host_of_ours(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// The response to a client that may watch.
pub(super) fn respond(watchers: &Watchers, query: &str, node: &str) -> Response {
    let filter = match Filter::of_query(query) {
        Ok(filter) => filter,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let Some(watcher) = watchers.add(filter) else {
        let text = "as many watch as may at a time\n";
        return (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    };
    let hello = Bytes::from(format!(
        "{}\n",
        serde_json::json!({
            "kind": "hello",
            "version": env!("CARGO_PKG_VERSION"),
            "node": node,
        })
    ));
    let lines = futures_util::stream::unfold((watcher, Some(hello)), |(watcher, first)| async {
        let lines = match first {
            Some(hello) => hello,
            None => next(&watcher).await,
        };
        Some((Ok::<_, std::convert::Infallible>(lines), (watcher, None)))
    });
    let kind = [(CONTENT_TYPE, "application/x-ndjson")];
    (kind, Body::from_stream(lines)).into_response()
}

async fn next(watcher: &Watcher) -> Bytes {
    let left_out = watcher.left_out();
    if left_out > 0 {
        return format!("{{\"kind\":\"left_out\",\"exchanges\":{left_out}}}\n").into();
    }
    match timeout(ALIVE, watcher.next()).await {
        Ok(Queued::Lines(lines)) => lines,
        Ok(Queued::Missed(missed)) => {
            format!("{{\"kind\":\"missed\",\"exchanges\":{missed}}}\n").into()
        }
        Err(_) => Bytes::from_static(b"{\"kind\":\"alive\"}\n"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn tcp(client: &str, server: &str) -> Peer {
        Peer::Tcp {
            client: client.parse().unwrap(),
            server: server.parse().unwrap(),
        }
    }

    fn headers(host: Option<&str>, marked: bool) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
        }
        if marked {
            headers.insert(HEADER, HeaderValue::from_static("1"));
        }
        headers
    }

    #[test]
    fn only_this_machine_watches_unless_it_is_allowed() {
        let here = tcp("127.0.0.1", "127.0.0.1");
        let mapped = tcp("::ffff:127.0.0.1", "::ffff:127.0.0.1");
        let node = tcp("10.0.0.7", "10.0.0.7");
        let pod = tcp("10.244.1.2", "10.0.0.7");
        let routed = tcp("10.0.0.9", "127.0.0.1");
        for (from, peer, expected) in [
            (WatchFrom::Loopback, here, None),
            (WatchFrom::Loopback, mapped, None),
            (WatchFrom::Loopback, Peer::Unix, None),
            (WatchFrom::Loopback, tcp("::1", "::1"), None),
            (WatchFrom::Loopback, node, Some(403)),
            (WatchFrom::Loopback, pod, Some(403)),
            (WatchFrom::Loopback, routed, Some(403)),
            (WatchFrom::Nowhere, here, Some(404)),
            (WatchFrom::Nowhere, Peer::Unix, None),
            (WatchFrom::Everywhere, pod, None),
        ] {
            let headers = headers(Some("127.0.0.1:9464"), true);
            let refused = refusal(from, peer, &headers, false);
            let status = refused.map(|(status, _)| status.as_u16());
            assert_eq!(status, expected, "{from:?} {peer:?}");
        }
    }

    #[test]
    fn a_page_in_a_browser_does_not_watch() {
        let here = tcp("127.0.0.1", "127.0.0.1");
        let check = |host: Option<&str>, marked: bool, token: bool, expected: bool| {
            let headers = headers(host, marked);
            let refused = refusal(WatchFrom::Loopback, here, &headers, token);
            assert_eq!(refused.is_none(), expected, "{host:?} {marked}");
        };
        check(Some("127.0.0.1:9464"), true, false, true);
        check(Some("[::1]:9464"), true, false, true);
        check(Some("localhost"), true, false, true);
        check(Some("127.0.0.1:9464"), false, false, false);
        check(Some("rebound.example:9464"), true, false, false);
        check(Some("127.0.0.1.example"), true, false, false);
        check(None, true, false, false);
        check(Some("node-7.example:9464"), true, true, true);
    }
}
