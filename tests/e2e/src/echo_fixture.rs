//! A fixture for many requests: echo servers and clients on one node, a collector in place of the
//! viewer, and an agent that the test starts.
//!
//! The program `echo` puts a request's number into its path, its trace context and the status of
//! its response; [`EchoOutcome::judge`] reads them back from the exchanges.

use std::{
    collections::{BTreeMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use hopspan_lab::{Command, Lab, Node, Pod, Process, kube_proxy::Service};

use crate::{
    Collected, CollectedExchange, Collector, Report,
    agent::{Agent, AgentOptions, LONG_QUEUE, end},
    answer::TRACE_PREFIX,
    echo, echo_server,
};

/// What the servers listen on.
const PORT: u16 = 8080;
/// How long exchanges may take to arrive after the load.
const SETTLE: Duration = Duration::from_secs(60);
/// `echo` answers the request with the number `n` with the status 200 + `n` modulo this.
const STATUSES: u64 = 50;

/// Servers, clients and a collector on a node.
pub struct EchoFixture {
    /// The node.
    pub node: Node,
    /// The agent, once it is started.
    pub agent: Option<Agent>,
    /// Where its spans arrive.
    pub collector: Collector,
    clients: Vec<Pod>,
    service: Service,
    servers: Vec<Process>,
    // After the processes, so that it is taken down after them.
    lab: Lab,
    // Last, so that the next fixture begins when this one is gone.
    _alone: MutexGuard<'static, ()>,
}

/// The rates of the loads suit a machine that carries one of them: the fixtures of a test program
/// take turns.
static ALONE: Mutex<()> = Mutex::new(());

/// The numbered requests of one client, at a rate.
#[derive(Clone, Copy, Debug)]
pub struct ClientLoad {
    /// Which client.
    pub client: usize,
    /// `h1` or `h2`.
    pub protocol: &'static str,
    /// Connections, which are all kept open.
    pub connections: u64,
    /// Requests in all.
    pub requests: u64,
    /// Requests a second.
    pub rate: u64,
    /// The number of the first request.
    pub first: u64,
}

/// What a fixture has at its end.
#[derive(Debug)]
pub struct EchoOutcome {
    /// What the collector received.
    pub collected: Collected,
    /// What the agent counted.
    pub report: Report,
}

/// The exchanges compared with the requests.
#[derive(Debug, Default)]
pub struct Judgement {
    /// Numbers of requests whose exchange came complete and right.
    pub right: HashSet<u64>,
    /// Exchanges that came incomplete, with nothing wrong, by the number of the request.
    pub partial: BTreeMap<u64, CollectedExchange>,
    /// Exchanges with a wrong attribute, and those that came twice.
    pub wrong: Vec<String>,
}

impl EchoFixture {
    /// A lab with a collector, so many servers behind one service, and so many client pods.
    /// RLIMIT_NOFILE limits the connections of each process.
    ///
    /// # Errors
    /// When any of them cannot start.
    pub fn start(label: &str, servers: usize, clients: usize) -> Result<Self> {
        // A test that failed while it held the lock reports that itself.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Lab::new(label)?;
        let node = lab.node("node")?;
        let collector = Collector::start(&node)?;
        let (server_pods, servers): (Vec<Pod>, Vec<Process>) = (0..servers)
            .map(|server| start_server(&node, server))
            .collect::<Result<_>>()?;
        let endpoints = server_pods
            .iter()
            .map(|pod| SocketAddr::new(pod.ip().into(), PORT));
        let service = Service {
            endpoints: endpoints.collect(),
            ..Service::new("echo", "server", ([10, 96, 0, 20], 80).into())
        };
        node.apply_services(std::slice::from_ref(&service))?;
        let clients = (0..clients)
            .map(|client| node.pod("echo", &format!("client-{client}")))
            .collect::<Result<_>>()?;
        Ok(Self {
            node,
            agent: None,
            collector,
            clients,
            service,
            servers,
            lab,
            _alone: alone,
        })
    }

    /// Starts the agent. Returns the time at which it was ready, in nanoseconds since 1970.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_agent(&mut self) -> Result<u64> {
        self.start_agent_with(&[])
    }

    /// The same, with more arguments for the agent.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_agent_with(&mut self, arguments: &[&str]) -> Result<u64> {
        self.start_agent_of(&[], arguments, Some(LONG_QUEUE))
    }

    /// The same, with the detail that users have by default, and an export queue of so many spans; `None`
    /// is the default of users too.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_default_agent(&mut self, queue_spans: Option<u32>) -> Result<u64> {
        self.start_agent_of(&[], &["--detail", "auto"], queue_spans)
    }

    /// An agent with the defaults of users and more arguments, started by a program, such as
    /// `prlimit --data=268435456`.
    ///
    /// # Errors
    /// When it cannot start.
    pub fn start_default_agent_by(&mut self, starter: &[&str], arguments: &[&str]) -> Result<u64> {
        let arguments = [&["--detail", "auto"], arguments].concat();
        self.start_agent_of(starter, &arguments, None)
    }

    fn start_agent_of(
        &mut self,
        starter: &[&str],
        arguments: &[&str],
        queue_spans: Option<u32>,
    ) -> Result<u64> {
        // The pods alone: the collector is a thread of the test, in another cgroup than the node's,
        // and a journey to a socket that is not followed has no end.
        let options = AgentOptions {
            cgroup: &self.node.cgroup_root().join("kubepods"),
            starter,
            arguments,
            queue_spans,
            ..AgentOptions::new(&self.node, self.report())
        };
        self.agent = Some(options.start()?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(u64::try_from(now.as_nanos())?)
    }

    /// The command `echo` with these arguments in a client pod, and with the URL of the service.
    ///
    /// # Errors
    /// When there is no such client or the binary is not built.
    pub fn client(&self, client: usize, arguments: &str) -> Result<Command> {
        let pod = self.clients.get(client).context("no such client")?;
        Ok(echo(pod)?
            .args(arguments.split(' '))
            .arg("--url")
            .arg(format!("http://{}", self.service.address())))
    }

    /// Starts a load.
    ///
    /// # Errors
    /// As [`Self::client`], and when it cannot be started.
    pub fn load(&self, load: ClientLoad) -> Result<Process> {
        let ClientLoad {
            protocol,
            connections,
            requests,
            rate,
            first,
            ..
        } = load;
        let arguments = format!(
            "load --protocol {protocol} --connections {connections} --requests {requests} \
             --rate {rate} --first {first}"
        );
        self.client(load.client, &arguments)?.spawn()
    }

    /// Makes a client and a server in pods of their own, whose names end with `number`. The client
    /// sends 500 requests a second from the one with the number `first`; after `life` both pods vanish:
    /// their processes, network namespaces, devices and cgroups.
    ///
    /// # Errors
    /// When a pod cannot be made or removed, or a program not be started.
    pub fn vanishing_pods(&self, number: u64, first: u64, life: Duration) -> Result<()> {
        let client = self.node.pod("vanishing", &format!("client-{number}"))?;
        let server = self.node.pod("vanishing", &format!("server-{number}"))?;
        let serving = echo_server(&server, (Ipv4Addr::UNSPECIFIED, PORT))?;
        let requests = format!("load --protocol h1 --requests 1000 --rate 500 --first {first}");
        let sending = echo(&client)?
            .args(requests.split(' '))
            .args(["--url", &format!("http://{}:{PORT}", server.ip())])
            .spawn()?;
        std::thread::sleep(life);
        self.node.remove_pod(&client)?;
        self.node.remove_pod(&server)?;
        drop((serving, sending));
        Ok(())
    }

    /// The service that the clients ask.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The directory for files of this fixture.
    pub fn work_dir(&self) -> &Path {
        self.lab.work_dir()
    }

    /// Waits until so many exchanges have come, or no more come; then ends servers and agent.
    ///
    /// # Errors
    /// When one of them does not end well, or the collector refused a request.
    pub fn finish(mut self, expected: usize) -> Result<EchoOutcome> {
        let deadline = Instant::now() + SETTLE;
        let mut last = (0, Instant::now());
        while self.collector.exchanges() < expected && Instant::now() < deadline {
            let now = self.collector.exchanges();
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > SETTLE / 10 {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.servers.iter_mut().try_for_each(end)?;
        let mut agent = self.agent.take().context("the agent was never started")?;
        end(&mut agent.process)?;
        let collected = self.collector.take();
        ensure!(
            collected.refused.is_none(),
            "the collector refused {:?}",
            collected.refused
        );
        Ok(EchoOutcome {
            collected,
            report: Report::read(&self.report())?,
        })
    }

    fn report(&self) -> PathBuf {
        self.work_dir().join("report.json")
    }
}

fn start_server(node: &Node, number: usize) -> Result<(Pod, Process)> {
    let pod = node.pod("echo", &format!("server-{number}"))?;
    let server = echo_server(&pod, (Ipv4Addr::UNSPECIFIED, PORT))?;
    Ok((pod, server))
}

impl Judgement {
    /// Whether the exchange of this request came, complete or not.
    pub fn came(&self, number: u64) -> bool {
        self.right.contains(&number) || self.partial.contains_key(&number)
    }
}

impl EchoOutcome {
    /// Compares every exchange with the number in its trace id. A number that comes twice is wrong.
    pub fn judge(&self) -> Judgement {
        let mut judgement = Judgement::default();
        let mut seen = HashSet::new();
        for exchange in &self.collected.exchanges {
            let number = exchange.number();
            let status = i64::try_from(200 + number % STATUSES).ok();
            let path = format!("/id/{number}");
            let is_wrong = exchange.trace_id >> 64 != u128::from(TRACE_PREFIX)
                || exchange.parent_id != number
                || exchange.path.as_ref().is_some_and(|seen| *seen != path)
                || exchange.status.is_some_and(|_| exchange.status != status)
                || !seen.insert(exchange.trace_id);
            let is_partial = exchange.path.is_none()
                || exchange.status.is_none()
                || exchange.incomplete.is_some();
            if is_wrong {
                judgement.wrong.push(format!("{number}: {exchange:?}"));
            } else if is_partial {
                judgement.partial.insert(number, exchange.clone());
            } else {
                judgement.right.insert(number);
            }
        }
        judgement
    }
}
