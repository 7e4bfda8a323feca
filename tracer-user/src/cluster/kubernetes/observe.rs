//! Observes every request to the API and its response, between `kube`'s client and the network.
//!
//! In: requests and responses. Out: updates of [`ApiState`]. `kube`'s watcher shows objects and
//! errors, but not new watch requests and pages. It watches again at once when a connection is cut;
//! this layer limits watch requests to one a second.

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

/// The least time between two watch requests of a kind.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The layer around the client's service.
#[derive(Clone, Debug)]
pub(super) struct ObserveRequests(pub(super) Arc<ApiState>);

/// The client's service with the layer.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    state: Arc<ApiState>,
}

impl<S> Layer<S> for ObserveRequests {
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
        let requested = kind_of_request(request.uri());
        // The request is sent when this future is polled.
        let answer = self.inner.call(request);
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            if let Some((kind, true)) = requested {
                tokio::time::sleep(state.reserve_watch(kind, WATCH_INTERVAL)).await;
            }
            if let Some((kind, is_watch)) = requested {
                state.count_request(kind, is_watch);
            }
            let answer = answer.await?;
            if let Some((kind, _)) = requested
                && answer.status().is_success()
            {
                state.answered(kind);
            }
            Ok(answer)
        })
    }
}

/// The kind that a request lists or watches, and whether it is a watch.
fn kind_of_request(uri: &Uri) -> Option<(Kind, bool)> {
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
    fn lists_and_watches_are_distinguished() {
        let check = |uri: &str, expected| {
            assert_eq!(kind_of_request(&uri.parse().unwrap()), expected, "{uri}");
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
