//! What rules cost a new connection: the netfilter hop of a SYN with few services and with 5,000 before its own, in iptables
//! mode, where each is a rule to be compared, and in nftables mode, where all are one lookup.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

use hopspan_e2e::{Answer, Kernel, Prelude, Scene, Trace, Traces, binary};
use hopspan_lab::{
    NodeOptions, Pod, Wiring,
    kube_proxy::{CROWD_ENDPOINTS, ProxyMode, Service, crowd},
};

const SERVICES: u32 = 5_000;
const CONNECTS: u64 = 50;
const PORT: u16 = 8080;
const DEADLINE: Duration = Duration::from_secs(60);

/// Medians of the first netfilter hop of connects, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    few_ns: u64,
    many_ns: u64,
}

fn measure(proxy_mode: ProxyMode) -> Cost {
    let options = NodeOptions {
        wiring: Wiring::Routed,
        proxy_mode,
        ..NodeOptions::default()
    };
    let prelude = Prelude::start(&format!("rules-cost-{proxy_mode}"), options).unwrap();
    let [client, server] = ["client", "server"].map(|name| prelude.node.pod("cost", name).unwrap());
    let listen = format!("0.0.0.0:{PORT}");
    let served = server.command(binary("echo").unwrap());
    let mut served = served
        .args(["server", "--listen", &listen])
        .spawn()
        .unwrap();
    served.wait_listening(PORT, DEADLINE).unwrap();
    let service = Service {
        endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
        ..Service::new("cost", "server", ([10, 96, 0, 20], 80).into())
    };
    let mut services = crowd(SERVICES).unwrap();
    services.push(service.clone());
    let pods = prelude.node.cgroup_root().join("kubepods");
    let mut scene = prelude.attach(&pods, &[]).unwrap();

    apply(&mut scene, std::slice::from_ref(&service));
    let few = connect(&scene, &client, service.address(), 1);
    apply(&mut scene, &services);
    let many = connect(&scene, &client, service.address(), 1 + CONNECTS);

    assert!(served.terminate(DEADLINE).unwrap().success());
    let outcome = scene.finish().unwrap();
    outcome.report.assert_nothing_lost();
    Cost {
        few_ns: median(&outcome.traces, &few),
        many_ns: median(&outcome.traces, &many),
    }
}

/// Applies services, and waits until the agent has read them: it needs a processor for it.
fn apply(scene: &mut Scene, services: &[Service]) {
    scene.node.apply_services(services).unwrap();
    let crowd = (services.len() - 1) * CROWD_ENDPOINTS;
    scene
        .wait_logged(&format!("rules name {} ways", crowd + 1))
        .unwrap();
}

/// Opens connections one after the other, each with one request.
fn connect(scene: &Scene, client: &Pod, address: SocketAddr, first: u64) -> Vec<Answer> {
    let record = scene.work_dir().join(format!("record-{first}"));
    let connects = CONNECTS.to_string();
    client
        .command(binary("echo").unwrap())
        .args(["load", "--protocol", "h1", "--connections", &connects])
        .args(["--requests", &connects, "--first", &first.to_string()])
        .args(["--url", &format!("http://{address}")])
        .arg("--record")
        .arg(&record)
        .run(DEADLINE)
        .unwrap();
    Answer::read(&record).unwrap()
}

fn median(traces: &Traces, answers: &[Answer]) -> u64 {
    let mut hops: Vec<u64> = answers
        .iter()
        .map(|answer| syn_ns(&traces.0[&answer.trace_id()]))
        .collect();
    hops.sort_unstable();
    assert_eq!(hops.len() as u64, CONNECTS);
    hops[hops.len() / 2]
}

/// The time in PREROUTING of the packet that opened the connection.
fn syn_ns(trace: &Trace) -> u64 {
    let connects: Vec<_> = trace.of_role("connect").collect();
    let [connect] = connects[..] else {
        panic!("{} connects: {trace:#?}", connects.len());
    };
    let hops = trace.children(connect);
    let prerouting =
        |hop: &&&hopspan_e2e::Span| hop.attribute("hopspan.hop") == "netfilter.prerouting";
    hops.iter().find(prerouting).unwrap().duration_ns()
}

#[test]
fn five_thousand_services_cost_time_in_iptables_mode_only() {
    let test = "five_thousand_services_cost_time_in_iptables_mode_only";
    if hopspan_lab::skip(test) {
        return;
    }
    let kernel = Kernel::running();
    if !kernel.has_netfilter_links() {
        let release = kernel.release();
        writeln!(
            io::stdout(),
            "\nSKIP {test}: netfilter hops need Linux 6.4, this is {release}"
        )
        .unwrap();
        return;
    }
    let (iptables, nftables) = (measure(ProxyMode::Iptables), measure(ProxyMode::Nftables));
    println!("iptables {iptables:?}, nftables {nftables:?}");
    // Seen: 2.1 to 120 µs and 2.4 to 3.5 µs.
    assert!(iptables.many_ns > 4 * iptables.few_ns, "{iptables:?}");
    assert!(nftables.many_ns < 4 * nftables.few_ns, "{nftables:?}");
    assert!(
        iptables.many_ns > 4 * nftables.many_ns,
        "{iptables:?} {nftables:?}"
    );
}
