//! meta/v1 Status: an error of the API.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Status {
    pub(crate) fn bad_request(message: String) -> Self {
        Self {
            code: 400,
            reason: "BadRequest",
            message,
        }
    }

    /// A watch from a version that is no longer in the history.
    pub(crate) fn too_old(version: u64, oldest: u64) -> Self {
        Self {
            code: 410,
            reason: "Expired",
            message: format!("too old resource version: {version} ({oldest})"),
        }
    }

    /// A `continue` token of a list that is no longer in the history.
    pub(crate) fn continue_expired() -> Self {
        Self {
            code: 410,
            reason: "Expired",
            message:
                "The provided continue parameter is too old to display a consistent list result."
                    .to_owned(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        })
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, Json(self.to_json())).into_response()
    }
}
