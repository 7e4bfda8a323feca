//! The kernel structure fields that the programs read.
//!
//! Rust emits no CO-RE relocations, so the agent looks each offset up in the running kernel's BTF
//! and writes it into a read-only global of the programs before it loads them.

/// A field, and the global that holds its offset in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// C name of the structure.
    pub structure: &'static str,
    /// Member names from the outermost in, through anonymous structures and unions.
    pub member: &'static str,
    /// Symbol of the global in the kernel programs.
    pub global: &'static str,
}

const fn field(structure: &'static str, member: &'static str, global: &'static str) -> Field {
    Field {
        structure,
        member,
        global,
    }
}

impl Field {
    /// Whether the kernel may lack the field: conntrack may not be loaded, IPv6 not be built in.
    /// The offset is then 0, and the programs do not read the field.
    pub fn is_optional(&self) -> bool {
        self.structure.starts_with("nf_conn") || self.is_of_ipv6()
    }

    /// Whether only kernels with IPv6 have the field.
    pub fn is_of_ipv6(&self) -> bool {
        self.member.starts_with("__sk_common.skc_v6_")
    }
}

/// Whether [`FIELDS`] names the global `symbol`. Without that it would hold 0, the offset of another
/// member.
pub const fn is_named(symbol: &str) -> bool {
    let mut index = 0;
    while index < FIELDS.len() {
        if equal(FIELDS[index].global.as_bytes(), symbol.as_bytes()) {
            return true;
        }
        index += 1;
    }
    false
}

const fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// All fields. The offsets in net_device, net and sk_buff differ between 6.1 and 6.18.
pub const FIELDS: [Field; 32] = [
    field("sk_buff", "dev", "SK_BUFF_DEV"),
    field("sk_buff", "_nfct", "SK_BUFF_NFCT"),
    field("sk_buff", "head", "SK_BUFF_HEAD"),
    field("sk_buff", "network_header", "SK_BUFF_NETWORK_HEADER"),
    field("net_device", "ifindex", "NET_DEVICE_IFINDEX"),
    field("net_device", "name", "NET_DEVICE_NAME"),
    field("net_device", "nd_net", "NET_DEVICE_ND_NET"),
    field("net_device", "priv_flags", "NET_DEVICE_PRIV_FLAGS"),
    field("net_device", "rtnl_link_ops", "NET_DEVICE_RTNL_LINK_OPS"),
    field("rtnl_link_ops", "kind", "RTNL_LINK_OPS_KIND"),
    field("net", "ns", "NET_NS"),
    field("ns_common", "inum", "NS_COMMON_INUM"),
    field("nf_conn", "tuplehash", "NF_CONN_TUPLEHASH"),
    field("nf_conntrack_tuple_hash", "tuple", "TUPLEHASH_TUPLE"),
    field("sock", "__sk_common.skc_cookie", "SOCK_COOKIE"),
    field("sock", "__sk_common.skc_dport", "SOCK_DPORT"),
    field("sock", "__sk_common.skc_family", "SOCK_FAMILY"),
    field("sock", "__sk_common.skc_rcv_saddr", "SOCK_RCV_SADDR"),
    field("sock", "__sk_common.skc_daddr", "SOCK_DADDR"),
    field("sock", "__sk_common.skc_v6_rcv_saddr", "SOCK_V6_RCV_SADDR"),
    field("sock", "__sk_common.skc_v6_daddr", "SOCK_V6_DADDR"),
    field("sock", "sk_protocol", "SOCK_PROTOCOL"),
    field("sock", "sk_shutdown", "SOCK_SHUTDOWN"),
    field("sock", "sk_err", "SOCK_ERR"),
    field("sock", "sk_err_soft", "SOCK_ERR_SOFT"),
    field("sock", "sk_error_queue", "SOCK_ERROR_QUEUE"),
    field("sk_buff", "cb", "SK_BUFF_CB"),
    field("sock_exterr_skb", "ee", "SOCK_EXTERR_SKB_EE"),
    field("inet_sock", "inet_sport", "INET_SOCK_SPORT"),
    field("tcp_sock", "copied_seq", "TCP_SOCK_COPIED_SEQ"),
    field("tcp_sock", "rcv_nxt", "TCP_SOCK_RCV_NXT"),
    field("tcp_sock", "snd_nxt", "TCP_SOCK_SND_NXT"),
];
