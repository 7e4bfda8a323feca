//! OTLP over gRPC. In: encoded requests, which the codec passes on unchanged. Out: the response.

use std::time::Duration;

use http::{HeaderMap, uri::PathAndQuery};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::{
    Message as _,
    bytes::{BufMut as _, Bytes},
};
use tonic::{
    Code, Extensions, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::error_chain::error_chain;

use super::{SendError, Settings, USER_AGENT, refusal};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The interval of HTTP/2 PINGs while a request is open.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

pub(in super::super) struct Client {
    channel: Channel,
    headers: HeaderMap,
}

impl Client {
    /// A client that connects at its first request, and again after the connection is lost.
    pub(super) fn new(settings: Settings) -> Result<Self, tonic::transport::Error> {
        let tls = settings.tls();
        let mut endpoint = Endpoint::from(settings.endpoint)
            .user_agent(USER_AGENT)?
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            // A collector that has vanished without closing is noticed between two requests.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(settings.timeout);
        if tls {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots())?;
        }
        Ok(Self {
            channel: endpoint.connect_lazy(),
            headers: settings.headers,
        })
    }

    pub(super) async fn send(
        &self,
        request: Bytes,
    ) -> Result<ExportTraceServiceResponse, SendError> {
        let mut client = Grpc::new(self.channel.clone());
        if let Err(error) = client.ready().await {
            return Err(SendError::of_network(error_chain(&error)));
        }
        let metadata = MetadataMap::from_headers(self.headers.clone());
        let request = Request::from_parts(metadata, Extensions::default(), request);
        let path = PathAndQuery::from_static(EXPORT);
        match client.unary(request, path, EncodedRequest).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(failed(&status)),
        }
    }
}

/// OTLP specification, "Failures" of OTLP/gRPC.
fn failed(status: &Status) -> SendError {
    // A status with a cause is tonic's own for an error on this side, such as a lost connection.
    if let Some(cause) = std::error::Error::source(status) {
        return SendError::of_network(error_chain(cause));
    }
    // No details where the collector sends none, or where they do not decode.
    let retry_info = status.get_details_retry_info();
    let can_retry = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => retry_info.is_some(),
        _ => false,
    };
    SendError {
        reason: refusal(&format!("{:?}", status.code()), status.message()),
        can_retry,
        retry_after: retry_info.and_then(|info| info.retry_delay),
    }
}

/// A codec for encoded requests and decoded responses.
#[derive(Clone, Copy, Debug)]
struct EncodedRequest;

impl Codec for EncodedRequest {
    type Encode = Bytes;
    type Decode = ExportTraceServiceResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for EncodedRequest {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, request: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(request);
        Ok(())
    }
}

impl Decoder for EncodedRequest {
    type Item = ExportTraceServiceResponse;
    type Error = Status;

    fn decode(&mut self, answer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let answer = ExportTraceServiceResponse::decode(answer);
        answer
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
