//! OTLP as protobuf over HTTP. In: encoded requests. Out: the response.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::{Message as _, bytes::Bytes};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};

use crate::error_chain::error_chain;

use super::{SendError, Settings, USER_AGENT};

/// The bound of a response, which is a number and a sentence.
const MAX_ANSWER_BYTES: usize = 64 << 10;

pub(in super::super) struct Client {
    client: reqwest::Client,
    url: String,
}

impl Client {
    pub(super) fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        let tls = settings.tls();
        let mut headers = settings.headers;
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        headers.insert(CONTENT_TYPE, protobuf);
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .user_agent(USER_AGENT)
            .default_headers(headers);
        let client = if tls {
            client
        } else {
            // Without root certificates: an image that has none can use an http endpoint.
            client.tls_certs_only([])
        };
        Ok(Self {
            client: client.build()?,
            url: settings.endpoint.to_string(),
        })
    }

    pub(super) async fn send(
        &self,
        request: Bytes,
    ) -> Result<ExportTraceServiceResponse, SendError> {
        let sent = self.client.post(&self.url).body(request).send().await;
        let mut response = sent.map_err(|error| failed(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(SendError {
                reason: format!("the collector answers {status}"),
                can_retry: is_temporary(status),
                retry_after: retry_after(&response),
            });
        }
        let mut answer = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| failed(&error))? {
            if answer.len() + part.len() > MAX_ANSWER_BYTES {
                break;
            }
            answer.extend_from_slice(&part);
        }
        // The status is a success: the spans have arrived even if the response does not decode.
        Ok(ExportTraceServiceResponse::decode(answer.as_slice()).unwrap_or_default())
    }
}

fn failed(error: &reqwest::Error) -> SendError {
    SendError {
        reason: error_chain(error),
        can_retry: true,
        retry_after: None,
    }
}

/// OTLP specification, "Retryable Response Codes".
fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// Retry-After in seconds. A date is ignored.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}
