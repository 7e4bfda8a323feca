//! The HTTP port: `/healthz`, `/readyz`, `/metrics` and `/exchanges`.
//!
//! In: listening sockets, the `Status`, those who watch, and the file of a token. Out: HTTP responses.
//! Counts displaced connections. Probes need no token: a kubelet has none.

mod connections;
mod exchanges;
mod scrape;
mod serve;
mod timed_writes;
mod token;
mod unix_socket;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::ensure;
use axum::{
    Extension, Router,
    extract::{RawQuery, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    listen::Listen,
    metrics,
    status::{Readiness, Status},
    watch::{WatchFrom, Watchers},
};
use scrape::Scrape;
use serve::Peer;
use timed_writes::Lifted;
use token::Token;

/// The age of the loop's last turn from which the loop counts as hung. It turns every 20 to 100 ms;
/// the longest regular turn drains a full ring buffer on a throttled CPU.
const HUNG: Duration = Duration::from_secs(10);

/// What the responses are made of.
#[derive(Debug)]
struct Port {
    status: Arc<Status>,
    scrape: Scrape,
    token: Option<Token>,
    watchers: Watchers,
    watch_from: WatchFrom,
    node: String,
}

/// Where the port is, and for whom.
#[derive(Debug)]
pub(super) struct Options<'a> {
    pub(super) places: &'a [Listen],
    /// A file: `/metrics` and `/exchanges` are then for clients that send its content.
    pub(super) token: Option<PathBuf>,
    pub(super) watch_from: WatchFrom,
    /// A unix socket, where the same is served.
    pub(super) socket: Option<PathBuf>,
    /// The node's name, for those who watch.
    pub(super) node: String,
}

/// Starts a task for each place, which listens and answers until the process ends.
///
/// # Errors
///
/// When an address is not this machine's, the token cannot be read, or the unix socket not be made.
/// A port that is taken is tried again, because the agent that this one replaces may still have it.
pub(super) fn start(
    options: Options<'_>,
    status: &Arc<Status>,
    watchers: Watchers,
) -> anyhow::Result<()> {
    let token = options.token.map(Token::of_file).transpose()?;
    ensure!(
        options.watch_from != WatchFrom::Everywhere || token.is_some(),
        "--watch everywhere needs a token: --metrics-token FILE"
    );
    let router = router(Port {
        status: Arc::clone(status),
        scrape: Scrape::default(),
        token,
        watchers,
        watch_from: options.watch_from,
        node: options.node,
    });
    for place in options.places {
        if let Some(listener) = place.bind()? {
            let (router, status) = (router.clone(), Arc::clone(status));
            tokio::spawn(async move {
                serve::serve(listener.bound().await, router, &status).await;
            });
        }
    }
    if let Some(path) = &options.socket {
        let listener = unix_socket::listen(path)?;
        tokio::spawn(serve::serve_unix(listener, router));
    }
    Ok(())
}

fn router(port: Port) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/exchanges", get(watch))
        .with_state(Arc::new(port))
}

/// Fails when a restart would help: the loop hangs. While the agent starts it succeeds, because
/// attaching and the first reading of rules have no time limit.
async fn healthz(State(port): State<Arc<Port>>) -> impl IntoResponse {
    let status = &port.status;
    let age = status.since_turn();
    if status.readiness() == Readiness::Ready && age > HUNG {
        let text = format!("the loop has not turned for {} s\n", age.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text);
    }
    (StatusCode::OK, "ok\n".to_owned())
}

/// Succeeds while packets are followed.
async fn readyz(State(port): State<Arc<Port>>) -> impl IntoResponse {
    match port.status.readiness() {
        Readiness::Ready => (StatusCode::OK, ready(&port.status)),
        Readiness::Starting => (
            StatusCode::SERVICE_UNAVAILABLE,
            "starting: attaching, and reading the rules for the first time\n".to_owned(),
        ),
        Readiness::Ending => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ending: detached, sending the last spans\n".to_owned(),
        ),
    }
}

/// The response of a ready agent. Lists what is missing, which narrows what is seen and does not
/// make the agent unready.
fn ready(status: &Status) -> String {
    let mut text = "ok\n".to_owned();
    for (hook, reason) in status.missing() {
        text += &format!("without {hook}: {reason}\n");
    }
    if let Some(error) = status.rules().last_error {
        text += &format!("kube-proxy's rules cannot be read: {error}\n");
    }
    for (kind, watch) in status.kubernetes() {
        if !watch.connected {
            let error = watch.last_error.as_deref().unwrap_or("no answer yet");
            let kind = kind.resource();
            text += &format!("the Kubernetes API does not serve {kind}: {error}\n");
        }
    }
    text
}

async fn scrape(State(port): State<Arc<Port>>, headers: HeaderMap) -> Response {
    if let Some(refusal) = port.without_token(&headers) {
        return refusal;
    }
    let text = port.scrape.text(&port.status).await;
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// The exchanges as they happen.
async fn watch(
    State(port): State<Arc<Port>>,
    Extension(peer): Extension<Peer>,
    Extension(limit): Extension<Lifted>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = port.without_token(&headers).filter(|_| peer != Peer::Unix) {
        return refusal;
    }
    let has_token = port.token.is_some();
    if let Some(refusal) = exchanges::refusal(port.watch_from, peer, &headers, has_token) {
        return refusal.into_response();
    }
    if exchanges::is_here(peer) {
        limit.lift();
    }
    exchanges::respond(&port.watchers, &query.unwrap_or_default(), &port.node)
}

impl Port {
    /// The response to a client without the token, where one is needed.
    fn without_token(&self, headers: &HeaderMap) -> Option<Response> {
        let token = self.token.as_ref()?;
        if token.is_in(headers.get(AUTHORIZATION)) {
            return None;
        }
        let text = "the token of --metrics-token is needed: Authorization: Bearer TOKEN\n";
        let scheme = [(WWW_AUTHENTICATE, "Bearer")];
        Some((StatusCode::UNAUTHORIZED, scheme, text).into_response())
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;
    use tracer_common::hook::Hook;
    use tracer_pipeline::decode::fact::Kind;

    use super::*;
    use crate::attach::Missing;
    use crate::cluster::kubernetes::WatchState;
    use crate::rules::RulesState;

    async fn check(status: &Arc<Status>, path: &str, expected: u16, text: &str) {
        let router = router(Port {
            status: Arc::clone(status),
            scrape: Scrape::default(),
            token: None,
            watchers: Watchers::default(),
            watch_from: WatchFrom::Loopback,
            node: "node".to_owned(),
        });
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), expected, "{path}");
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains(text), "{path}: {body}");
    }

    #[tokio::test]
    async fn an_agent_is_alive_from_its_start_and_ready_when_it_follows() {
        let status = Arc::new(Status::new());
        check(&status, "/healthz", 200, "ok").await;
        check(&status, "/readyz", 503, "starting").await;
        status.turned();
        status.set_ready();
        check(&status, "/healthz", 200, "ok").await;
        check(&status, "/readyz", 200, "ok\n").await;
        check(&status, "/metrics", 200, "hopspan_ready 1\n").await;
        status.set_missing(&[Missing {
            hook: Hook::PacketDrop,
            reason: "too old".to_owned(),
        }]);
        check(
            &status,
            "/readyz",
            200,
            "ok\nwithout packet_drop: too old\n",
        )
        .await;
        status.set_rules(RulesState {
            last_error: Some("no permission".to_owned()),
            ..RulesState::default()
        });
        status.set_kubernetes([(Kind::Pod, WatchState::default())].into());
        check(&status, "/readyz", 200, "read: no permission\n").await;
        check(&status, "/readyz", 200, "not serve pods: no answer yet\n").await;
        status.set_ending();
        check(&status, "/readyz", 503, "ending").await;
        check(&status, "/healthz", 200, "ok").await;
        check(&status, "/", 404, "").await;
    }

    #[tokio::test]
    async fn a_hung_loop_is_not_alive() {
        let status = Arc::new(Status::started_ago(HUNG + Duration::from_secs(1)));
        check(&status, "/healthz", 200, "ok").await;
        status.set_ready();
        check(&status, "/healthz", 503, "has not turned for 11 s").await;
        status.turned();
        check(&status, "/healthz", 200, "ok").await;
    }
}
