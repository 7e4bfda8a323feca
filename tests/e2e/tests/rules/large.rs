//! Rules of many services, in the form of a real kube-proxy, with two endpoints each.

use std::{fmt::Write as _, net::Ipv4Addr};

use tracer_pipeline::kube_proxy::{Client, Protocol, Translation};

/// The cluster IP of a service.
fn cluster_ip(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 96, 0, 0)) + 10 + number)
}

/// The two endpoints of a service. Each `octet` is another state of the cluster.
fn endpoints(number: u32, octet: u8) -> [Ipv4Addr; 2] {
    let first = u32::from(Ipv4Addr::new(10, 128 + octet, 0, 0)) + 2 * number;
    [first, first + 1].map(Ipv4Addr::from_bits)
}

/// A connection of a pod to the service, and the first endpoint.
pub(crate) fn translation(number: u32, octet: u8) -> Translation {
    let [endpoint, _] = endpoints(number, octet);
    Translation {
        client: Client {
            ip: Ipv4Addr::new(10, 255, 0, 1).into(),
            on_node: Some(false),
        },
        destination: (cluster_ip(number), 80).into(),
        protocol: Protocol::Tcp,
        endpoint: (endpoint, 8080).into(),
    }
}

/// A service's chain in nftables mode.
fn chain(number: u32) -> String {
    format!("service-{number:08}-load/svc-{number}/tcp/http")
}

/// The one rule of that chain.
fn choice(number: u32, octet: u8) -> String {
    let [a, b] = endpoints(number, octet);
    format!(
        "meta l4proto tcp dnat ip to numgen random mod 2 map {{ 0 : {a} . 8080, 1 : {b} . 8080 }}"
    )
}

/// The elements of the set of endpoints that may connect to themselves through their service.
fn hairpins(services: u32, octet: u8) -> String {
    let of = |number| endpoints(number, octet).map(|ip| format!("{ip} . {ip} . tcp . 8080"));
    let all: Vec<String> = (0..services).flat_map(of).collect();
    all.join(",\n")
}

/// For `nft -f`: replaces the endpoints of each service in one transaction, as kube-proxy does.
pub(crate) fn moved(services: u32, octet: u8) -> String {
    let mut text = String::from("flush set ip kube-proxy hairpin-connections\n");
    for number in 0..services {
        let chain = chain(number);
        let _ = writeln!(
            text,
            "flush chain ip kube-proxy {chain}\nadd rule ip kube-proxy {chain} {}",
            choice(number, octet)
        );
    }
    let hairpins = hairpins(services, octet);
    text + &format!("add element ip kube-proxy hairpin-connections {{ {hairpins} }}\n")
}

/// For `nft -f`: replaces the whole table.
pub(crate) fn nftables(services: u32, octet: u8) -> String {
    let mut text = String::from(
        "table ip kube-proxy\ndelete table ip kube-proxy\ntable ip kube-proxy {\n\
         set cluster-ips { type ipv4_addr; }\n\
         set hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }\n\
         map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }\n",
    );
    for number in 0..services {
        let (chain, choice) = (chain(number), choice(number, octet));
        let _ = writeln!(text, "chain {chain} {{ {choice} ; }}");
    }
    text += "chain services {\n\
         ip daddr @cluster-ips ip saddr != 10.128.0.0/9 meta mark set meta mark | 0x4000\n\
         ip daddr . meta l4proto . th dport vmap @service-ips\n}\n\
         chain masquerading {\n\
         ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random\n}\n\
         chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }\n\
         chain nat-postrouting { type nat hook postrouting priority srcnat; jump masquerading; }\n}\n";
    let all = |element: &dyn Fn(u32) -> String| -> String {
        let elements: Vec<String> = (0..services).map(element).collect();
        elements.join(",\n")
    };
    let ips = all(&|number| cluster_ip(number).to_string());
    let portals =
        all(&|number| format!("{} . tcp . 80 : goto {}", cluster_ip(number), chain(number)));
    let hairpins = hairpins(services, octet);
    for (set, elements) in [
        ("cluster-ips", ips),
        ("service-ips", portals),
        ("hairpin-connections", hairpins),
    ] {
        let _ = writeln!(text, "add element ip kube-proxy {set} {{ {elements} }}");
    }
    text
}

/// For `iptables-restore`.
pub(crate) fn iptables(services: u32) -> String {
    let mut text = String::from(
        "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n\
         -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
         -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n",
    );
    for number in 0..services {
        let service = format!("load/svc-{number}:http");
        let ip = cluster_ip(number);
        let svc = format!("KUBE-SVC-{number:016}");
        let _ = writeln!(
            text,
            ":{svc} - [0:0]\n\
             -A KUBE-SERVICES -d {ip}/32 -p tcp -m comment --comment \"{service} cluster IP\" -m tcp --dport 80 -j {svc}\n\
             -A {svc} ! -s 10.128.0.0/9 -d {ip}/32 -p tcp -m comment --comment \"{service} cluster IP\" -m tcp --dport 80 -j KUBE-MARK-MASQ"
        );
        for (index, endpoint) in endpoints(number, 0).into_iter().enumerate() {
            let sep = format!("KUBE-SEP-{:016}", 2 * number + index as u32);
            let choice = ["-m statistic --mode random --probability 0.5 ", ""][index];
            let _ = writeln!(
                text,
                ":{sep} - [0:0]\n\
                 -A {svc} -m comment --comment \"{service} -> {endpoint}:8080\" {choice}-j {sep}\n\
                 -A {sep} -s {endpoint}/32 -m comment --comment {service} -j KUBE-MARK-MASQ\n\
                 -A {sep} -p tcp -m comment --comment {service} -m tcp -j DNAT --to-destination {endpoint}:8080"
            );
        }
    }
    text += "COMMIT\n";
    text
}
