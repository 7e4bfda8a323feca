//! Sees every request to the API go out and its answer come back, between `kube`'s client and the
//! network, and tells the state.
//!
//! `kube`'s watcher shows objects and errors; that a watch was begun again, or a page asked for, is
//! seen here only. It begins a watch again at once when the connection was cut, which is right once;
//! here it is held to one a second.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri};
use tower::{Layer, Service};
use tracer_pipeline::decode::fact::Kind;

use super::state::ApiState;

/// From one watch of a kind to the next.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Wraps the client's service.
#[derive(Clone, Debug)]
pub(super) struct Observe(pub(super) Arc<ApiState>);

/// The wrapped service.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    state: Arc<ApiState>,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observed {
            inner,
            state: Arc::clone(&self.0),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    R: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = asked_for(request.uri());
        // Nothing is sent before it is polled.
        let answer = self.inner.call(request);
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            if let Some((kind, true)) = asked {
                tokio::time::sleep(state.pace(kind, WATCH_EVERY)).await;
            }
            if let Some((kind, is_watch)) = asked {
                state.asked(kind, is_watch);
            }
            let answer = answer.await?;
            if let Some((kind, _)) = asked
                && answer.status().is_success()
            {
                state.answered(kind);
            }
            Ok(answer)
        })
    }
}

/// What a request asks for, and whether to watch it.
fn asked_for(uri: &Uri) -> Option<(Kind, bool)> {
    let kind = match uri.path().rsplit('/').next()? {
        "pods" => Kind::Pod,
        "endpointslices" => Kind::Endpoints,
        "services" => Kind::Service,
        _ => return None,
    };
    let mut parameters = uri.query().unwrap_or_default().split('&');
    Some((kind, parameters.any(|parameter| parameter == "watch=true")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_watches_are_told_apart() {
        let check = |uri: &str, expected| {
            assert_eq!(asked_for(&uri.parse().unwrap()), expected, "{uri}");
        };
        check(
            "https://h/api/v1/pods?&limit=500&resourceVersion=0",
            Some((Kind::Pod, false)),
        );
        check(
            "https://h/prefix/api/v1/services",
            Some((Kind::Service, false)),
        );
        check(
            "https://h/apis/discovery.k8s.io/v1/endpointslices?&watch=true&resourceVersion=7",
            Some((Kind::Endpoints, true)),
        );
        check("https://h/version", None);
        check("/", None);
    }
}
