//! A viewer that runs inside a test.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tracer_view::{Args, Bound, view};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// Arguments for a viewer on free ports, which prints Unicode.
pub(crate) fn view_args(arguments: &[&str]) -> Args {
    let always = [
        "view",
        "--grpc",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--page",
        "127.0.0.1:0",
        "--charset",
        "utf-8",
    ];
    Cli::parse_from(always.iter().chain(arguments)).args
}

/// A viewer on ports of its own that prints to memory.
pub(crate) struct RunningViewer {
    pub(crate) bound: Bound,
    printed: Printed,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RunningViewer {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let args = view_args(arguments);
        let printed = Printed::default();
        let (stop, stopped) = oneshot::channel();
        let (ready, bound) = oneshot::channel();
        let out = printed.clone();
        let task = tokio::spawn(async move {
            let stopped = async move { _ = stopped.await };
            view(args, out, false, stopped, |bound| {
                ready.send(bound).unwrap();
            })
            .await
        });
        Self {
            bound: bound.await.unwrap(),
            printed,
            stop,
            task,
        }
    }

    pub(crate) async fn grpc(&self) -> TraceServiceClient<Channel> {
        TraceServiceClient::connect(format!("http://{}", self.bound.grpc))
            .await
            .unwrap()
    }

    pub(crate) async fn send(&self, requests: Vec<ExportTraceServiceRequest>) {
        let mut client = self.grpc().await;
        for request in requests {
            client.export(request).await.unwrap();
        }
    }

    pub(crate) fn printed(&self) -> String {
        self.printed.text()
    }

    /// Stops the viewer. Returns its result and everything it printed.
    pub(crate) async fn end(self) -> (anyhow::Result<()>, String) {
        self.stop.send(()).unwrap();
        let result = self.task.await.unwrap();
        let printed = self.printed.text();
        (result, printed)
    }

    /// Stops the viewer, which must end without an error. Returns everything it printed.
    pub(crate) async fn end_without_error(self) -> String {
        let (result, printed) = self.end().await;
        result.unwrap();
        printed
    }

    /// Waits until what is printed meets `has`.
    pub(crate) async fn wait(&self, has: impl Fn(&str) -> bool) {
        for _ in 0..500 {
            if has(&self.printed()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not printed in time; printed so far:\n{}", self.printed());
    }
}
