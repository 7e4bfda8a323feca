//! The time that kube-proxy's rules take of a new connection: the netfilter hop of a SYN with one
//! service, and with 5,000 before its own. In iptables mode each service is a rule that is
//! compared, in nftables mode all are one lookup.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use hopspan_e2e::{Answer, EchoLoad, Fixture, Kernel, Span, Trace, Traces, echo_server};
use hopspan_lab::{
    NodeOptions, Wiring,
    kube_proxy::{ProxyMode, Service, crowd},
    print_skip,
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
    let label = format!("rules-cost-{proxy_mode}");
    let mut fixture = Fixture::without_agents(&label, options, 1).unwrap();
    let node = fixture.node().clone();
    let [client, server] = ["client", "server"].map(|name| node.pod("cost", name).unwrap());
    let mut serving = echo_server(&server, (Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
    let service = Service {
        endpoints: vec![SocketAddr::new(server.ip().into(), PORT)],
        ..Service::new("cost", "server", ([10, 96, 0, 20], 80).into())
    };
    let mut services = crowd(SERVICES).unwrap();
    services.push(service.clone());
    let pods = node.cgroup_root().join("kubepods");
    fixture.start_agent(&pods, &[]).unwrap();

    // Each time the agent has read the rules before the client starts: reading takes a processor.
    let connects = |first| EchoLoad {
        address: service.address(),
        connections: CONNECTS,
        requests: CONNECTS,
        first,
    };
    let mut connect_with = |services: &[Service], first| {
        fixture.apply_services(services).unwrap();
        connects(first).run(&client, fixture.work_dir()).unwrap()
    };
    let few = connect_with(std::slice::from_ref(&service), 1);
    let many = connect_with(&services, 1 + CONNECTS);

    assert!(serving.terminate(DEADLINE).unwrap().success());
    let outcome = fixture.finish().unwrap();
    outcome.report().assert_nothing_lost();
    Cost {
        few_ns: median(&outcome.traces, &few),
        many_ns: median(&outcome.traces, &many),
    }
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

/// The time that the SYN spent in PREROUTING.
fn syn_ns(trace: &Trace) -> u64 {
    let connects: Vec<_> = trace.of_role("connect").collect();
    let [connect] = connects[..] else {
        panic!("{} connects: {trace:#?}", connects.len());
    };
    let hops = trace.children(connect);
    let prerouting = |hop: &&&Span| hop.attribute("hopspan.hop") == "netfilter.prerouting";
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
        print_skip(
            test,
            &format!("netfilter hops need Linux 6.4, this is {release}"),
        );
        return;
    }
    let (iptables, nftables) = (measure(ProxyMode::Iptables), measure(ProxyMode::Nftables));
    println!("iptables {iptables:?}, nftables {nftables:?}");
    // Measured: 2.1 to 120 µs and 2.4 to 3.5 µs.
    assert!(iptables.many_ns > 4 * iptables.few_ns, "{iptables:?}");
    assert!(nftables.many_ns < 4 * nftables.few_ns, "{nftables:?}");
    assert!(
        iptables.many_ns > 4 * nftables.many_ns,
        "{iptables:?} {nftables:?}"
    );
}
