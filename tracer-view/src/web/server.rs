//! HTTP for the page. In: a listening socket and the sets. Out: the page's files, and JSON. Errors
//! are text.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::assets::{INDEX_HTML, PAGE_CSS, PAGE_JS};
use super::guard::guard;
use super::sets::{SetError, Sets, json};
use super::view::Window;
use crate::id::TraceId;
use crate::merge::merge_requests;
use crate::otlp_json;

/// The largest file that can be opened, in bytes.
const MAX_FILE_BYTES: usize = 64 << 20;

/// Serves until `stop`, then finishes the requests that have begun.
///
/// # Errors
/// When the listening socket fails.
pub(crate) async fn serve(
    listener: TcpListener,
    sets: Sets,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let bound = listener.local_addr()?;
    let api = Router::new()
        .route("/sets", get(sets_list).post(open))
        .route("/sets/{set}", delete(close))
        .route("/sets/{set}/traces", get(traces))
        .route("/sets/{set}/traces/{trace}", get(trace))
        .route("/sets/{set}/traces/{trace}/otlp", get(otlp))
        .route("/sets/{set}/comparison", get(comparison));
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, kind)], text) })
    };
    let router = Router::new()
        .route("/", file("text/html; charset=utf-8", INDEX_HTML))
        .route("/page.js", file("text/javascript; charset=utf-8", PAGE_JS))
        .route("/page.css", file("text/css; charset=utf-8", PAGE_CSS))
        .nest("/api", api)
        .with_state(Arc::new(sets))
        .layer(middleware::from_fn_with_state(bound, guard));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Set(#[from] SetError),
    #[error("{0} is no trace id: 32 hexadecimal digits, not all zero")]
    TraceId(String),
    #[error("the file is larger than {} MiB", MAX_FILE_BYTES >> 20)]
    TooLarge,
    #[error("{0}")]
    File(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Set(SetError::NoSet(_) | SetError::NoTrace) => StatusCode::NOT_FOUND,
            Self::Set(SetError::TooMany) => StatusCode::CONFLICT,
            Self::Set(SetError::Ending) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TraceId(_) | Self::File(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        };
        (status, format!("{self}\n")).into_response()
    }
}

type Answer = Result<Response, Refusal>;
type AllSets = State<Arc<Sets>>;

async fn sets_list(State(sets): AllSets) -> Answer {
    Ok(answer(json(&sets.all().await?)))
}

#[derive(Debug, Deserialize)]
struct After {
    after: Option<u64>,
}

async fn traces(
    State(sets): AllSets,
    Path(set): Path<String>,
    Query(known): Query<After>,
) -> Answer {
    Ok(answer(sets.list(&set, known.after).await?))
}

async fn trace(State(sets): AllSets, Path((set, id)): Path<(String, String)>) -> Answer {
    let id = trace_id(&id)?;
    let trace = sets.trace(&set, id).await?;
    Ok(answer(beside(move || json(&trace.view(id))).await?))
}

/// The trace as a file, with the halves between nodes joined.
async fn otlp(State(sets): AllSets, Path((set, id)): Path<(String, String)>) -> Answer {
    let id = trace_id(&id)?;
    let trace = sets.trace(&set, id).await?;
    let file = beside(move || {
        let mut file = Vec::new();
        // Writing to memory cannot fail.
        let _ = otlp_json::write(&merge_requests(&trace.requests()), &mut file);
        file
    });
    let name = format!("attachment; filename=\"trace-{id}.json\"");
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, file.await?).into_response())
}

/// Milliseconds since the Unix epoch, both included.
#[derive(Debug, Deserialize)]
struct Between {
    from: Option<f64>,
    to: Option<f64>,
}

async fn comparison(
    State(sets): AllSets,
    Path(set): Path<String>,
    Query(between): Query<Between>,
) -> Answer {
    // A conversion that is too large or negative is the nearest number.
    let ns = |ms: f64| (ms * 1e6) as u64;
    let window = Window {
        from_ns: between.from.map_or(Window::WHOLE.from_ns, ns),
        to_ns: between.to.map_or(Window::WHOLE.to_ns, ns),
    };
    Ok(answer(json(&sets.comparison(&set, window).await?)))
}

#[derive(Debug, Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

async fn open(State(sets): AllSets, Query(Name { name }): Query<Name>, body: Body) -> Answer {
    let body = to_bytes(body, MAX_FILE_BYTES)
        .await
        .map_err(|_| Refusal::TooLarge)?;
    let read = beside(move || otlp_json::read(&*body, "the file"));
    let requests = read
        .await?
        .map_err(|error| Refusal::File(format!("{error:#}")))?;
    Ok(answer(json(&sets.open(&name, &requests).await?)))
}

async fn close(State(sets): AllSets, Path(set): Path<String>) -> Answer {
    sets.close(&set).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn trace_id(text: &str) -> Result<TraceId, Refusal> {
    TraceId::from_hex(text).ok_or_else(|| Refusal::TraceId(text.chars().take(40).collect()))
}

fn answer(json: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], Bytes::from(json)).into_response()
}

/// Runs what takes long beside the tasks.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Refusal::Set(SetError::Ending))
}
