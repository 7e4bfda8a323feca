//! The application as processes on loopback. In: a collector's address. Out: the frontend's URL,
//! and the client's lines. At the end it sends SIGTERM and asserts that the exit code is 0.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::collector::Collector;

/// One process of the binary under test; killed if a test panics before it ends.
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `hotrod SERVICE --listen 127.0.0.1:0 ARGS`, waits until it listens, and returns its
    /// URL.
    fn serve(service: &str, args: &[&str], collector: &Collector) -> (Self, String) {
        let mut command = hotrod(service, collector);
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .envs([pod_name_variable(service)]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = stderr
            .by_ref()
            .map(|line| line.unwrap())
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
            .unwrap_or_else(|| panic!("{service} ended before it listened"));
        let name = service.to_owned();
        let tag = name.clone();
        std::thread::spawn(move || {
            stderr
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{tag}: {line}"));
        });
        (Self { name, child }, format!("http://{address}"))
    }

    /// Sends SIGTERM and asserts that it exits with 0 within ten seconds.
    fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "{} did not end after SIGTERM",
                self.name
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{} ended with {status}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The four services.
pub(crate) struct App {
    pub(crate) frontend: String,
    processes: Vec<Process>,
}

impl App {
    pub(crate) fn start(collector: &Collector) -> Self {
        let (customer, customer_url) = Process::serve("customer", &[], collector);
        let (driver, driver_url) = Process::serve("driver", &[], collector);
        let (route, route_url) = Process::serve("route", &[], collector);
        let upstreams = [
            "--customer",
            &customer_url,
            "--driver",
            &driver_url,
            "--route",
            &route_url,
        ];
        let (frontend, url) = Process::serve("frontend", &upstreams, collector);
        Self {
            frontend: url,
            processes: vec![frontend, customer, driver, route],
        }
    }

    /// The frontend alone, with URLs of services that may not exist.
    pub(crate) fn frontend_of(collector: &Collector, upstreams: &[&str]) -> Self {
        let (frontend, url) = Process::serve("frontend", upstreams, collector);
        Self {
            frontend: url,
            processes: vec![frontend],
        }
    }

    /// Ends all with SIGTERM. When this returns, every span has been exported.
    pub(crate) fn stop(self) {
        self.processes.into_iter().for_each(Process::stop);
    }
}

/// Runs `hotrod client` to its end. Returns whether it succeeded, and its lines. It exports by
/// gRPC.
pub(crate) fn client(collector: &Collector, frontend: &str, args: &[&str]) -> (bool, Vec<Value>) {
    run_client(hotrod("client", collector), frontend, args)
}

/// Like [`client`], but it exports by HTTP with binary protobuf.
pub(crate) fn client_with_http_export(collector: &Collector, frontend: &str) -> (bool, Vec<Value>) {
    let mut command = hotrod("client", collector);
    command
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .env(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", collector.http),
        );
    run_client(command, frontend, &[])
}

fn run_client(mut command: Command, frontend: &str, args: &[&str]) -> (bool, Vec<Value>) {
    command.args(["--frontend", frontend]).args(args);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output.status.success(), lines)
}

/// A pod has its name in one of two variables; some services get the one, some the other.
fn pod_name_variable(service: &str) -> (&'static str, String) {
    let pod = pod_of(service);
    match service {
        "route" => ("OTEL_RESOURCE_ATTRIBUTES", format!("k8s.pod.name={pod}")),
        _ => ("POD_NAME", pod),
    }
}

/// The value of `x-pod` from a service of this test.
pub(crate) fn pod_of(service: &str) -> String {
    format!("{service}-7d4b9c-x2x4z")
}

fn hotrod(service: &str, collector: &Collector) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotrod"));
    let inherited =
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_"));
    for (name, _) in inherited {
        command.env_remove(name);
    }
    command.env_remove("POD_NAME").env_remove("RUST_LOG");
    command.env(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        format!("http://{}", collector.grpc),
    );
    command.arg(service);
    command
}
