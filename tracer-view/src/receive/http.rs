//! OTLP over HTTP. In: `POST /v1/traces` on a listening socket, protobuf or JSON, plain or gzip.
//! Out: requests to the intake, and responses as in the OTLP specification (section OTLP/HTTP
//! Response).

use std::future::Future;
use std::io::{self, Read};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::net::TcpListener;

use super::{Busy, Intake, MAX_REQUEST_BYTES};

/// Serves until `stop`, then finishes the requests that have begun.
///
/// # Errors
/// When the listening socket fails.
pub async fn serve(
    listener: TcpListener,
    intake: Intake,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/v1/traces", post(export))
        .with_state(intake);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
}

async fn export(State(intake): State<Intake>, headers: HeaderMap, body: Body) -> Response {
    let Some(encoding) = Encoding::of(&headers) else {
        let expected = "the content type must be application/x-protobuf or application/json";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, expected).into_response();
    };
    match receive(&intake, encoding, &headers, body).await {
        Ok(response) => response,
        Err(refusal) => encoding.refuse(&refusal),
    }
}

async fn receive(
    intake: &Intake,
    encoding: Encoding,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = to_bytes(body, MAX_REQUEST_BYTES)
        .await
        .map_err(|_| Refusal::TooLarge)?;
    let body = decompress(headers, body)?;
    let request = encoding.request(&body)?;
    let response = intake.accept(request).await?;
    Ok(encoding.answer(StatusCode::OK, &response))
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the request is larger than {MAX_REQUEST_BYTES} bytes, or its body was cut off")]
    TooLarge,
    #[error("the content encoding must be gzip or identity")]
    ContentEncoding,
    #[error("gzip: {0}")]
    Gzip(io::Error),
    #[error("protobuf: {0}")]
    Protobuf(#[from] prost::DecodeError),
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Busy(#[from] Busy),
}

impl Refusal {
    /// 503 is retryable in OTLP/HTTP, the others are not.
    fn http_status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Gzip(_) | Self::Protobuf(_) | Self::Json(_) => StatusCode::BAD_REQUEST,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn rpc_code(&self) -> tonic::Code {
        match self {
            Self::TooLarge => tonic::Code::ResourceExhausted,
            Self::Busy(_) => tonic::Code::Unavailable,
            _ => tonic::Code::InvalidArgument,
        }
    }
}

/// The body of an error response: `google.rpc.Status` without details.
#[derive(Clone, PartialEq, Message, serde::Serialize)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The encoding of the request, and so of its response.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-protobuf") {
            Some(Self::Protobuf)
        } else if essence.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    fn request(self, body: &[u8]) -> Result<ExportTraceServiceRequest, Refusal> {
        match self {
            Self::Protobuf => Ok(ExportTraceServiceRequest::decode(body)?),
            Self::Json => Ok(serde_json::from_slice(body)?),
        }
    }

    fn answer(self, status: StatusCode, response: &(impl Message + serde::Serialize)) -> Response {
        match self {
            Self::Protobuf => (
                status,
                content_type("application/x-protobuf"),
                response.encode_to_vec(),
            )
                .into_response(),
            Self::Json => match serde_json::to_vec(response) {
                Ok(body) => (status, content_type("application/json"), body).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            },
        }
    }

    fn refuse(self, refusal: &Refusal) -> Response {
        let status = RpcStatus {
            code: refusal.rpc_code() as i32,
            message: refusal.to_string(),
        };
        let mut response = self.answer(refusal.http_status(), &status);
        if matches!(refusal, Refusal::Busy(_)) {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn content_type(value: &'static str) -> [(axum::http::HeaderName, &'static str); 1] {
    [(CONTENT_TYPE, value)]
}

/// Decompresses the body. A body that exceeds the limit is refused before all of it is in memory.
fn decompress(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Refusal> {
    match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            let mut gzip = MultiGzDecoder::new(&*body).take(MAX_REQUEST_BYTES as u64 + 1);
            gzip.read_to_end(&mut plain).map_err(Refusal::Gzip)?;
            if plain.len() > MAX_REQUEST_BYTES {
                return Err(Refusal::TooLarge);
            }
            Ok(plain.into())
        }
        Some(_) => Err(Refusal::ContentEncoding),
    }
}
