//! OTLP as protobuf over HTTP. In: encoded requests. Out: the response.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::{Message as _, bytes::Bytes};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
    redirect::Policy,
};

use crate::{error_chain::error_chain, export::printable::printable};

use super::{SendError, Settings, USER_AGENT, refusal};

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
            .default_headers(headers)
            // The headers may have a secret, which is for this endpoint only.
            .redirect(Policy::none());
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
        let mut response = sent.map_err(|error| SendError::of_network(error_chain(&error)))?;
        let status = response.status();
        let body = beginning(&mut response).await;
        if status.is_success() {
            // The spans have arrived even if the response does not decode.
            return Ok(ExportTraceServiceResponse::decode(&*body).unwrap_or_default());
        }
        let protocol = match header(&response, LOCATION).filter(|_| status.is_redirection()) {
            Some(place) => {
                let place = printable(place);
                format!("{status} with a redirect to {place}, which is not followed")
            }
            None => status.to_string(),
        };
        Err(SendError {
            reason: refusal(&protocol, &words(&body)),
            can_retry: is_temporary(status),
            retry_after: header(&response, RETRY_AFTER)
                .and_then(|value| retry_after(value, SystemTime::now())),
        })
    }
}

/// The beginning of the body; what came before an error, if it is interrupted.
async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(&part[..part.len().min(room)]);
        if body.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    body
}

/// The collector's reason: the message of a google.rpc.Status (OTLP specification, "Failures" of
/// OTLP/HTTP), or a text, as a proxy sends it.
fn words(body: &[u8]) -> String {
    match tonic_types::Status::decode(body) {
        Ok(status) if !status.message.is_empty() => status.message,
        _ => std::str::from_utf8(body).unwrap_or_default().to_owned(),
    }
}

fn header(response: &Response, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

/// OTLP specification, "Retryable Response Codes".
fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// Retry-After in either form, seconds or a date (RFC 9110, section 10.2.3). A date that has passed
/// is no pause.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let check = |value: &str, expected: Option<u64>| {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(value, now), expected, "{value}");
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        // The obsolete forms, which a recipient must accept.
        check("Sunday, 06-Nov-94 08:50:37 GMT", Some(60));
        check("Sun Nov  6 08:50:37 1994", Some(60));
        check("Sun, 06 Nov 1994 08:48:37 GMT", Some(0));
        for malformed in ["", "-1", "1.5", "soon", "99999999999999999999"] {
            check(malformed, None);
        }
    }

    #[test]
    fn the_words_of_a_refusal() {
        let status = tonic_types::Status {
            code: 8,
            message: "quota".to_owned(),
            details: Vec::new(),
        };
        assert_eq!(words(&status.encode_to_vec()), "quota");
        assert_eq!(
            words(b"<html>no upstream</html>"),
            "<html>no upstream</html>"
        );
        assert_eq!(words(&[0xff, 0xfe]), "");
        assert_eq!(words(b""), "");
    }
}
