//! OTLP over gRPC. In: `TraceService/Export` calls on a listening socket. Out: requests to the
//! intake, and statuses as in the OTLP specification (section OTLP/gRPC Response).

use std::future::Future;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Request, Response, Status};

use super::{Intake, MAX_REQUEST_BYTES};

struct Service(Intake);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let accepted = self.0.accept(request.into_inner()).await;
        accepted
            .map(Response::new)
            .map_err(|busy| Status::unavailable(busy.to_string()))
    }
}

/// Serves until `stop`, then finishes the calls that have begun.
///
/// # Errors
/// When the listening socket fails.
pub async fn serve(
    listener: TcpListener,
    intake: Intake,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let service = TraceServiceServer::new(Service(intake))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop)
        .await
}
