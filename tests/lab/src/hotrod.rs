//! The HotROD-shaped application on a node, or spread over several: one pod and process per
//! instance, one service per role, and a client.
//!
//! In: the application's binary and its OTLP endpoint. Out: dispatches, with the trace id of each.
//! Of the application it knows only the command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::command::Command;
use crate::kube_proxy::Service;
use crate::node::Node;
use crate::pod::Pod;
use crate::process::Process;

/// The Kubernetes namespace of all its pods and services.
pub const NAMESPACE: &str = "hotrod";

/// How long an instance may take to listen: it may be a debug build in an emulated guest on a busy
/// machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long an instance may take to export its last spans.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How to run the application.
#[derive(Debug, Clone)]
pub struct HotRodOptions {
    /// The `hotrod` binary.
    pub binary: PathBuf,
    /// OTEL_EXPORTER_OTLP_ENDPOINT of every instance. `None`: port 4317 of the (first) node.
    pub otlp_endpoint: Option<String>,
    /// More environment variables for every instance and the client, for example a sampler.
    pub env: Vec<(String, String)>,
    /// Services whose rules stand before those of its own services.
    pub before: Vec<Service>,
}

impl HotRodOptions {
    /// Runs this binary, which exports to the node.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            otlp_endpoint: None,
            env: Vec::new(),
            before: Vec::new(),
        }
    }
}

/// The application, running. Dropping it kills its processes; [`HotRod::stop`] lets them flush.
#[derive(Debug)]
pub struct HotRod {
    options: HotRodOptions,
    /// The node whose port 4317 receives spans.
    receiver: Node,
    services: Vec<Service>,
    instances: Vec<(Pod, Process)>,
    client: Pod,
}

/// One request for a ride, as the client prints it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// 32 lower-case hexadecimal digits.
    pub trace_id: String,
    /// The HTTP status.
    pub status: u16,
    /// From before sending to the end of the response, in milliseconds.
    pub duration_ms: f64,
}

/// A service of the application.
struct Role {
    name: &'static str,
    cluster_ip: Ipv4Addr,
    port: u16,
    port_name: &'static str,
    replicas: usize,
}

const FRONTEND: Role = Role::new("frontend", 10, "http", 1);
const CUSTOMER: Role = Role::new("customer", 11, "http", 2);
const DRIVER: Role = Role::new("driver", 12, "grpc", 1);
const ROUTE: Role = Role::new("route", 13, "http", 2);
/// In the order of starting: callers last.
const ROLES: [Role; 4] = [CUSTOMER, DRIVER, ROUTE, FRONTEND];

/// Makes the pods (frontend-0, customer-0, customer-1, driver-0, route-0, route-1, client-0),
/// starts all instances except the client, replaces the node's services by frontend
/// 10.96.0.10:8080, customer 10.96.0.11:8081, driver 10.96.0.12:8082 and route 10.96.0.13:8083, and
/// waits until all instances listen.
///
/// # Errors
/// When a pod cannot be made, or an instance ends or does not listen in time; with the tail of its
/// log.
pub fn deploy(node: &Node, options: &HotRodOptions) -> Result<HotRod> {
    deploy_over(std::slice::from_ref(node), options)
}

/// The same over several nodes: client and frontend on the first, the other instances in turn on
/// the rest, so that the frontend calls only instances on other nodes. Every node has the services.
///
/// # Errors
/// As [`deploy`], and when there is no node.
pub fn deploy_over(nodes: &[Node], options: &HotRodOptions) -> Result<HotRod> {
    let (first, rest) = nodes.split_first().context("hotrod needs a node")?;
    let mut others = if rest.is_empty() { nodes } else { rest }.iter().cycle();
    let mut hotrod = HotRod {
        receiver: first.clone(),
        options: options.clone(),
        services: Vec::new(),
        instances: Vec::new(),
        client: first.pod(NAMESPACE, "client-0")?,
    };
    for role in &ROLES {
        let mut service = role.service();
        for replica in 0..role.replicas {
            let node = match role.name == FRONTEND.name {
                true => first,
                false => others.next().context("hotrod needs a node")?,
            };
            let pod = node.pod(NAMESPACE, &format!("{}-{replica}", role.name))?;
            service
                .endpoints
                .push(SocketAddr::new(pod.ip().into(), role.port));
            let process = hotrod.instance_command(role, &pod).spawn()?;
            hotrod.instances.push((pod, process));
        }
        hotrod.services.push(service);
    }
    // Before the instances listen, so that an agent has time to read the rules before the first
    // request.
    let services = [&*options.before, &*hotrod.services].concat();
    nodes
        .iter()
        .try_for_each(|node| node.apply_services(&services))?;
    for (service, instance) in hotrod.ports().into_iter().zip(&mut hotrod.instances) {
        instance.1.wait_listening(service, START_DEADLINE)?;
    }
    Ok(hotrod)
}

impl HotRod {
    /// Its services, with their endpoints.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Its pods, with the client's last.
    pub fn pods(&self) -> Vec<Pod> {
        self.instances
            .iter()
            .map(|(pod, _)| pod)
            .chain([&self.client])
            .cloned()
            .collect()
    }

    /// Every instance and its process.
    pub fn instances(&mut self) -> &mut [(Pod, Process)] {
        &mut self.instances
    }

    /// The pod that sends dispatches.
    pub fn client(&self) -> &Pod {
        &self.client
    }

    /// The client as a command, for callers that change its environment or deadline.
    pub fn client_command(&self, requests: u32, concurrency: u32) -> Command {
        self.command(&self.client, "client")
            .args(["--frontend", &FRONTEND.url(), "--customer-id", "123"])
            .args([
                "--requests",
                &requests.to_string(),
                "--concurrency",
                &concurrency.to_string(),
            ])
    }

    /// Sends dispatches, `concurrency` at a time, and waits for all.
    ///
    /// # Errors
    /// When the client fails, prints anything but one line of JSON a dispatch, or has not ended
    /// after 30 s plus 2 s for every `concurrency` requests.
    pub fn dispatch(&self, requests: u32, concurrency: u32) -> Result<Vec<Dispatch>> {
        let deadline =
            Duration::from_secs(30 + 2 * u64::from(requests.div_ceil(concurrency.max(1))));
        let stdout = self.client_command(requests, concurrency).run(deadline)?;
        let dispatches = stdout
            .lines()
            .map(parse_dispatch)
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            u32::try_from(dispatches.len()) == Ok(requests),
            "the hotrod client reports {} of {requests} dispatches",
            dispatches.len()
        );
        Ok(dispatches)
    }

    /// Ends every instance with SIGTERM and waits until it has flushed its spans.
    ///
    /// # Errors
    /// When an instance ended with another status than 0. All have ended then.
    pub fn stop(mut self) -> Result<()> {
        // All at once, because each may need time to export. The frontend, which calls the others,
        // comes first.
        for (_, process) in self.instances.iter_mut().rev() {
            process.signal(Signal::SIGTERM)?;
        }
        let mut failures = Vec::new();
        for (_, process) in &mut self.instances {
            let ended = process.wait(STOP_DEADLINE)?;
            let status = ended.map_or_else(|| process.kill(), Ok)?;
            if !status.success() {
                failures.push(format!(
                    "{} ended, {status}{}",
                    process.name(),
                    process.log_tail()
                ));
            }
        }
        if !failures.is_empty() {
            bail!("stop hotrod: {}", failures.join("\n"));
        }
        Ok(())
    }

    /// The port of each instance, in their order.
    fn ports(&self) -> Vec<u16> {
        self.services
            .iter()
            .flat_map(|service| &service.endpoints)
            .map(SocketAddr::port)
            .collect()
    }

    fn instance_command(&self, role: &Role, pod: &Pod) -> Command {
        let command = self
            .command(pod, role.name)
            .args(["--listen", &format!("0.0.0.0:{}", role.port)]);
        if role.name == FRONTEND.name {
            return command
                .args(["--customer", &CUSTOMER.url()])
                .args(["--driver", &DRIVER.url()])
                .args(["--route", &ROUTE.url()]);
        }
        command
    }

    /// The endpoint for a pod: pods on the receiving node reach it by its gateway address, other
    /// pods by its address on the wire.
    fn otlp_endpoint(&self, pod: &Pod) -> String {
        let receiver = &self.receiver;
        match &self.options.otlp_endpoint {
            Some(url) => url.clone(),
            None if receiver.pod_by_ip(pod.ip()).is_some() => {
                format!("http://{}:4317", receiver.gateway_ip())
            }
            None => format!("http://{}:4317", receiver.ip()),
        }
    }

    /// The binary in a pod, configured as by the OpenTelemetry operator and the downward API.
    fn command(&self, pod: &Pod, subcommand: &str) -> Command {
        let resource = format!(
            "k8s.namespace.name={},k8s.pod.name={},k8s.pod.uid={}",
            pod.namespace(),
            pod.name(),
            pod.uid()
        );
        pod.command(&self.options.binary)
            .arg(subcommand)
            .env("OTEL_SERVICE_NAME", subcommand)
            .env("OTEL_RESOURCE_ATTRIBUTES", resource)
            .env("POD_NAME", pod.name())
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", self.otlp_endpoint(pod))
            .envs(self.options.env.iter().map(|(key, value)| (key, value)))
    }
}

impl Role {
    const fn new(name: &'static str, host: u8, port_name: &'static str, replicas: usize) -> Self {
        // Ports count with the addresses: 10.96.0.10:8080, 10.96.0.11:8081, ...
        let port = 8070 + host as u16;
        Self {
            name,
            cluster_ip: Ipv4Addr::new(10, 96, 0, host),
            port,
            port_name,
            replicas,
        }
    }

    fn url(&self) -> String {
        format!("http://{}:{}", self.cluster_ip, self.port)
    }

    fn service(&self) -> Service {
        let address = SocketAddr::new(self.cluster_ip.into(), self.port);
        Service {
            port_name: Some(self.port_name.into()),
            ..Service::new(NAMESPACE, self.name, address)
        }
    }
}

fn parse_dispatch(line: &str) -> Result<Dispatch> {
    let value: Value =
        serde_json::from_str(line).with_context(|| format!("hotrod client wrote {line:?}"))?;
    let dispatch = || {
        let trace_id = value["trace_id"].as_str()?;
        let is_hex = trace_id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Some(Dispatch {
            trace_id: (trace_id.len() == 32 && is_hex).then(|| trace_id.to_owned())?,
            status: value["status"].as_u64()?.try_into().ok()?,
            duration_ms: value["duration_ms"].as_f64()?,
        })
    };
    dispatch().with_context(|| format!("hotrod client wrote {line:?}, which is not a dispatch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_documentation() {
        let urls = [FRONTEND, CUSTOMER, DRIVER, ROUTE].map(|role| role.url());
        let expected = [
            "http://10.96.0.10:8080",
            "http://10.96.0.11:8081",
            "http://10.96.0.12:8082",
            "http://10.96.0.13:8083",
        ];
        assert_eq!(urls, expected);
    }

    #[test]
    fn a_dispatch_is_read_whole_or_refused() {
        let line =
            r#"{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","status":200,"duration_ms":12.345}"#;
        let dispatch = Dispatch {
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
            status: 200,
            duration_ms: 12.345,
        };
        assert_eq!(parse_dispatch(line).unwrap(), dispatch);
        for end in 0..line.len() {
            assert!(parse_dispatch(&line[..end]).is_err(), "{}", &line[..end]);
        }
        for bad in [
            "{}",
            "[]",
            &line.replace("4bf9", "4BF9"),
            &line.replace("4736", "47"),
            &line.replace("200", "-1"),
        ] {
            assert!(parse_dispatch(bad).is_err(), "{bad}");
        }
    }
}
