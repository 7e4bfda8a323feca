//! The server: a thread that serves one port until it is stopped.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    body::Body,
    extract::{Query, RawQuery, Request, State},
    http::header::CONTENT_TYPE,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::oneshot;

use crate::{
    control,
    list::{Parameters, list},
    resource::Resource,
    status::Status,
    store::Store,
    watch::Watch,
};

/// A running server. Dropping it stops it and closes all connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves a listening socket, which may be in another network namespace.
    ///
    /// # Errors
    /// When the socket cannot be used, or the thread cannot be started.
    pub fn start(listener: TcpListener, store: Arc<Store>) -> Result<Self> {
        let address = listener
            .local_addr()
            .context("read the listening address")?;
        listener
            .set_nonblocking(true)
            .context("make the socket non-blocking")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start a runtime")?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener);
                let Ok(listener) = listener.inspect_err(|error| eprintln!("apiserver: {error}"))
                else {
                    return;
                };
                tokio::select! {
                    _ = axum::serve(listener, router(store)).into_future() => {}
                    _ = stopped => {}
                }
            });
            // The runtime is dropped here, with its tasks and their connections.
        };
        let thread = thread::Builder::new()
            .name("apiserver".into())
            .spawn(serve)
            .context("start a thread")?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig for it, without credentials and TLS.
    pub fn kubeconfig(&self) -> String {
        let address = self.address;
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: test\n  cluster:\n    server: http://{address}\n\
             contexts:\n\
             - name: test\n  context:\n    cluster: test\n    user: test\n\
             current-context: test\n\
             users:\n\
             - name: test\n  user: {{}}\n"
        )
    }

    /// Stops the server, and returns when the port is free.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits until the server ends by itself: normally for ever.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn router(store: Arc<Store>) -> Router {
    let mut router = Router::new();
    for resource in Resource::ALL {
        let answer = move |state, parameters, query| answer(resource, state, parameters, query);
        router = router.route(resource.path(), get(answer));
    }
    let refuse = middleware::from_fn_with_state(Arc::clone(&store), refuse);
    router
        .route_layer(refuse)
        .merge(control::router())
        .with_state(store)
}

/// Refuses every request while the faults demand it.
async fn refuse(State(store): State<Arc<Store>>, request: Request, next: Next) -> Response {
    match store.faults().refuse {
        Some(code) => Status {
            code,
            reason: "ServiceUnavailable",
            message: "refused by the test".to_owned(),
        }
        .into_response(),
        None => next.run(request).await,
    }
}

async fn answer(
    resource: Resource,
    State(store): State<Arc<Store>>,
    Query(parameters): Query<Parameters>,
    RawQuery(query): RawQuery,
) -> Response {
    let is_watch = matches!(parameters.watch.as_deref(), Some("true" | "1"));
    let query = query.unwrap_or_default();
    if !is_watch {
        store.note(resource, is_watch, &query);
        return list(&store, resource, &parameters)
            .map(Json)
            .into_response();
    }
    let watch = Watch::begin(&store, resource, &parameters);
    // Counted when it has begun: from then on a cut ends it.
    store.note(resource, is_watch, &query);
    match watch {
        Ok(watch) => {
            let body = Body::from_stream(watch.into_stream());
            ([(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(status) => status.into_response(),
    }
}
