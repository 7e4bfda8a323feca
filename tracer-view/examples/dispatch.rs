//! Sends made-up HotROD dispatches to an OTLP receiver, to look at the viewer without a lab:
//! `cargo run -p tracer-view --example dispatch -- http://127.0.0.1:4317 20`.

#[path = "../tests/view/fixture/mod.rs"]
mod fixture;

use anyhow::Context;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .context("the first argument is the receiver's URL")?;
    let dispatches: u64 = arguments
        .next()
        .context("the second argument is how many dispatches to send")?
        .parse()?;
    let mut receiver = TraceServiceClient::connect(url).await?;
    for n in 1..=dispatches {
        for request in fixture::dispatch::dispatch(n) {
            receiver.export(request).await?;
        }
    }
    Ok(())
}
