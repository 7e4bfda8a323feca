//! The HTTP interface by which a test controls a server in another process.
//!
//! In: `POST /control/apply` with an object or a list of them, `/control/delete` with an object's
//! kind and metadata, `/control/expire`, `/control/cut`. Out: `GET /control/requests`, the requests
//! so far.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::Value;

use crate::{
    resource::Resource,
    store::{Requests, Store},
};

pub(crate) fn router() -> Router<Arc<Store>> {
    Router::new()
        .route("/control/apply", post(apply))
        .route("/control/delete", post(delete))
        .route(
            "/control/expire",
            post(|State(store): State<Arc<Store>>| async move { store.expire() }),
        )
        .route(
            "/control/cut",
            post(|State(store): State<Arc<Store>>| async move { store.cut() }),
        )
        .route("/control/requests", get(requests))
}

async fn apply(State(store): State<Arc<Store>>, Json(body): Json<Value>) -> StatusCode {
    let objects = match body {
        Value::Array(objects) => objects,
        object => vec![object],
    };
    for object in objects {
        let has_name = object["metadata"]["name"].is_string();
        let is_served = object["kind"].as_str().and_then(Resource::of_kind);
        if !has_name || is_served.is_none() {
            return StatusCode::UNPROCESSABLE_ENTITY;
        }
        store.apply(object);
    }
    StatusCode::OK
}

async fn delete(State(store): State<Arc<Store>>, Json(object): Json<Value>) -> StatusCode {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    let deleted = object["kind"]
        .as_str()
        .and_then(Resource::of_kind)
        .is_some_and(|resource| store.delete(resource, text("namespace"), text("name")));
    if deleted {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn requests(State(store): State<Arc<Store>>) -> Json<Requests> {
    Json(store.requests())
}
