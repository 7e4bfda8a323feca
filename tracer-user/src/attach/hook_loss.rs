//! What the spans lack without a hook, or with the program for old kernels at the hook.
//!
//! In: a hook. Out: one sentence for warnings and for `hopspan doctor`, in the words of the spans.

use tracer_common::hook::Hook;

/// What the spans lack while the hook is not attached.
pub fn without(hook: Hook) -> &'static str {
    match hook {
        Hook::CgroupEgress => "everything: no journey begins",
        Hook::CgroupIngress => "everything: no journey ends at a socket",
        Hook::DeviceTransmit | Hook::DeviceReceive => {
            "the veth, bridge and wire hops: their time counts as the sender's or the receiver's stack"
        }
        Hook::PreroutingEnter | Hook::PreroutingLeave => {
            "the netfilter.prerouting hop, and which endpoint kube-proxy chose for a pod's connection"
        }
        Hook::OutputEnter | Hook::OutputLeave => {
            "the netfilter.output hop, and which endpoint kube-proxy chose for the node's own connections"
        }
        Hook::InputEnter | Hook::InputLeave => "the netfilter.input hop",
        Hook::ForwardEnter | Hook::ForwardLeave => "the netfilter.forward and route hops",
        Hook::PostroutingEnter | Hook::PostroutingLeave => {
            "the netfilter.postrouting hop, and the address after masquerading"
        }
        Hook::SocketRead => "the socket.queue hop: how long a message waited until it was read",
        Hook::SocketClose => {
            "how connections end, and failed connects: an exchange that fails with its connection is exported as open, after --response-timeout"
        }
        Hook::UplinkReceive => {
            "messages from other nodes: requests from there, and responses to this node's requests"
        }
        Hook::PacketDrop => "drops: where a packet was dropped, and the kernel's reason",
    }
}

/// What the spans lack while the program for old kernels serves the hook. `None` where it only
/// costs more.
pub fn with_fallback(hook: Hook) -> Option<&'static str> {
    match hook {
        Hook::CgroupEgress | Hook::UplinkReceive => {
            Some("HTTP/2 and gRPC: only HTTP/1 is followed")
        }
        Hook::SocketClose => Some("failed connects, and requests that complete a handshake"),
        _ => None,
    }
}
