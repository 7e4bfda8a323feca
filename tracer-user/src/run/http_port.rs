//! The HTTP port: `/healthz`, `/readyz` and `/metrics`.
//!
//! In: listening sockets, the `Status`, and the file of a token for `/metrics`. Out: HTTP responses.
//! Counts displaced connections. Probes need no token: a kubelet has none.

mod connections;
mod scrape;
mod serve;
mod timed_writes;
mod token;

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
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
};
use scrape::Scrape;
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
}

/// Starts a task for each place, which listens and answers until the process ends. `token` is a
/// file: `/metrics` is then for clients that send its content.
///
/// # Errors
///
/// When an address is not this machine's, or the token cannot be read. A port that is taken is tried
/// again, because the agent that this one replaces may still have it.
pub(super) fn start(
    places: &[Listen],
    token: Option<PathBuf>,
    status: &Arc<Status>,
) -> anyhow::Result<()> {
    let router = router(Port {
        status: Arc::clone(status),
        scrape: Scrape::default(),
        token: token.map(Token::of_file).transpose()?,
    });
    for place in places {
        if let Some(listener) = place.bind()? {
            let (router, status) = (router.clone(), Arc::clone(status));
            tokio::spawn(async move {
                serve::serve(listener.bound().await, router, &status).await;
            });
        }
    }
    Ok(())
}

fn router(port: Port) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
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
    if let Some(token) = &port.token
        && !token.is_in(headers.get(AUTHORIZATION))
    {
        let text = "the token of --metrics-token is needed: Authorization: Bearer TOKEN\n";
        let scheme = [(WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, scheme, text).into_response();
    }
    let text = port.scrape.text(&port.status).await;
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
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
