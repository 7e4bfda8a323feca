//! Keys of hopspan's own attributes. The doc of each key names the spans or events that have it,
//! then the type of its value.
//!
//! Times are nanoseconds. Addresses with a port are written `10.96.0.10:80` and `[fd00::1]:80`.

// Every span.

/// Every span. String: [`Role`](crate::Role).
pub const ROLE: &str = "hopspan.role";
/// connect, request, response, exchange. String: 16 hexadecimal digits, the same on all spans of
/// one exchange, whichever node's agent sent them. A connect that failed has none.
pub const EXCHANGE_ID: &str = "hopspan.exchange.id";
/// request, response, exchange. Integer: nanoseconds from the first packet of the exchange to its
/// end, as this node saw them: the SYN, where the request opened the connection, to the read of the
/// response's last byte, or to what ended the exchange before.
pub const EXCHANGE_DURATION_NS: &str = "hopspan.exchange.duration_ns";
/// hop. String: [`HopName`](crate::HopName).
pub const HOP: &str = "hopspan.hop";
/// connect, request, response, exchange, where one end of the connection is on another node.
/// String: [`Side`](crate::Side), the end that is on the node of the agent that sent the span.
pub const HALF: &str = "hopspan.half";
/// connect, request, response, where a part of it was not seen; request, where the response was
/// not. String: the part, see [`incomplete`](crate::incomplete).
pub const INCOMPLETE: &str = "hopspan.incomplete";
/// request. Integer: exchanges of the same client and service without spans, to limit the load,
/// since the last exchange that has spans.
pub const SHED: &str = "hopspan.shed";
/// Every span that is shorter than a microsecond. Integer: nanoseconds that it took. A span that
/// took none ends a microsecond after its start, because back ends refuse spans without a length.
pub const DURATION_NS: &str = "hopspan.duration_ns";

// Translation and kube-proxy. They stand on connect, request and response, and on the hop that
// translates: for the destination `netfilter.output` or `netfilter.prerouting`, for the source
// `netfilter.postrouting`.

/// connect, request, response, hop, where DNAT changed the destination. String: address and port before
/// DNAT.
pub const NAT_ORIGINAL: &str = "hopspan.nat.original";
/// connect, request, response, hop, where DNAT changed the destination. String: address and port after DNAT.
pub const NAT_TRANSLATED: &str = "hopspan.nat.translated";
/// request, response, hop (connect where hops have no spans), where SNAT changed the source. String: address
/// and port after SNAT.
pub const NAT_MASQUERADE: &str = "hopspan.nat.masquerade";
/// connect, request, response, hop. String: kube-proxy's chains that chose the pod or refused the
/// connection, in the order of the jumps, joined by
/// [`RULE_SEPARATOR`](crate::kube_proxy::RULE_SEPARATOR).
pub const KUBE_PROXY_RULE: &str = "hopspan.kube_proxy.rule";
/// connect, request, response, hop. String: the service that these chains belong to, `namespace/name:port`,
/// or `namespace/name` where its only port has no name.
pub const KUBE_PROXY_SERVICE: &str = "hopspan.kube_proxy.service";
/// connect, request, response, hop. String: how the client reached the service, see
/// [`portal`](crate::kube_proxy::portal).
pub const KUBE_PROXY_PORTAL: &str = "hopspan.kube_proxy.portal";
/// connect, request, response, hop. String: why the connection was marked for masquerade, or
/// [`NO_MASQUERADE`](crate::kube_proxy::NO_MASQUERADE).
pub const KUBE_PROXY_MASQUERADE: &str = "hopspan.kube_proxy.masquerade";
/// connect, request, response, hop, where the service has session affinity. String:
/// [`SESSION_AFFINITY_CLIENT_IP`](crate::kube_proxy::SESSION_AFFINITY_CLIENT_IP).
pub const KUBE_PROXY_SESSION_AFFINITY: &str = "hopspan.kube_proxy.session_affinity";
/// connect, request, response, hop, where only the node's own endpoints were candidates. String:
/// [`TRAFFIC_POLICY_LOCAL`](crate::kube_proxy::TRAFFIC_POLICY_LOCAL).
pub const KUBE_PROXY_TRAFFIC_POLICY: &str = "hopspan.kube_proxy.traffic_policy";
/// connect that failed. String: why the rules lead to no endpoint, see
/// [`refusal`](crate::kube_proxy::refusal).
pub const KUBE_PROXY_REFUSAL: &str = "hopspan.kube_proxy.refusal";

// Parties. The keys for pods, containers and nodes are in `party`.

/// connect that failed. Integer: the process that connected, its id in the machine's own PID
/// namespace.
pub const SOURCE_PROCESS_PID: &str = "hopspan.source.process.pid";
/// connect, request, response. Boolean, always true: the service has no address of its own, so its clients
/// resolve its name to pods.
pub const SERVICE_HEADLESS: &str = "hopspan.service.headless";
/// connect that failed. String: how it was assigned to a request, see
/// [`correlation`](crate::correlation).
pub const CORRELATION: &str = "hopspan.correlation";

// Packets.

/// connect, request, response. Integer, at least 1: packets
/// of the message that were retransmitted.
pub const TCP_RETRANSMITS: &str = "hopspan.tcp.retransmits";
/// Event [`TCP_RETRANSMITTED`](crate::event::TCP_RETRANSMITTED). String: what the packet carried,
/// see [`packet`](crate::packet).
pub const TCP_PACKET: &str = "hopspan.tcp.packet";
/// Event [`TCP_ZERO_WINDOW`](crate::event::TCP_ZERO_WINDOW). String: [`Side`](crate::Side), the end
/// whose receive window was zero.
pub const TCP_WINDOW_OF: &str = "hopspan.tcp.window_of";
/// Event [`TCP_ZERO_WINDOW`](crate::event::TCP_ZERO_WINDOW), where the window opened again.
/// Integer: nanoseconds for which it was zero.
pub const TCP_ZERO_WINDOW_NS: &str = "hopspan.tcp.zero_window_ns";
/// connect, request, response, where the kernel dropped a
/// packet; event [`TCP_RETRANSMITTED`](crate::event::TCP_RETRANSMITTED). String: the name in the
/// kernel's `enum skb_drop_reason`, without `SKB_DROP_REASON_`.
pub const DROP_REASON: &str = "hopspan.drop.reason";
/// As [`DROP_REASON`]. String: [`HopName`](crate::HopName), the hop in which the packet was
/// dropped.
pub const DROP_HOP: &str = "hopspan.drop.hop";
/// As [`DROP_REASON`], where something else than a rule dropped the packet. String: see
/// [`drop`](crate::drop).
pub const DROP_BY: &str = "hopspan.drop.by";
/// response that was cut, request without a response, connect that the client gave up. String:
/// [`Side`](crate::Side), the end that closed the connection, or reset the stream of HTTP/2.
pub const CLOSED_BY: &str = "hopspan.closed_by";

// The hops of a path.

/// connect, request, response, where its hops have no spans. String: its hops in order, each `name
/// interface nanoseconds`, joined by `, `: `client.stack eth0 8120, route 530`. The interface is
/// left out where there is none. The first hop starts with the span, each other one where the hop
/// before it ends.
pub const HOPS: &str = "hopspan.hops";
/// connect, request, response. String: [`HopName`](crate::HopName) of the longest hop.
pub const LONGEST_HOP_NAME: &str = "hopspan.longest_hop.name";
/// connect, request, response. Integer: nanoseconds that the longest hop took.
pub const LONGEST_HOP_DURATION_NS: &str = "hopspan.longest_hop.duration_ns";
/// connect, request, response, where `--detail auto` made spans of the hops. String: why, see
/// [`detail_reason`](crate::detail_reason).
pub const DETAIL_REASON: &str = "hopspan.detail.reason";

// Halves of two nodes, merged by the viewer.

/// request that was merged from its halves. Integer: nanoseconds by which the clock of the
/// server's node was found to be ahead of the client's, and by which the viewer moved the spans of
/// the server's node back; negative if it was behind.
pub const CLOCK_SKEW_NS: &str = "hopspan.clock.skew_ns";
/// As [`CLOCK_SKEW_NS`], where packets of both directions were seen. Integer: nanoseconds by which
/// the true difference may be more or less than that.
pub const CLOCK_SKEW_BOUND_NS: &str = "hopspan.clock.skew_bound_ns";
