//! OTLP over gRPC. In: encoded requests, which the codec passes on unchanged. Out: the response.

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

use crate::error_chain::error_chain;

use super::{SendError, Settings, USER_AGENT};

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

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
            .timeout(settings.timeout);
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
            return Err(SendError {
                reason: error_chain(&error),
                can_retry: true,
                retry_after: None,
            });
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
    let can_retry = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            // tonic's code for errors on this side, such as a lost connection.
            | Code::Unknown
    );
    let reason = match std::error::Error::source(status) {
        Some(cause) => error_chain(cause),
        None => format!("the collector answers {:?}", status.code()),
    };
    SendError {
        reason,
        can_retry,
        retry_after: None,
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
