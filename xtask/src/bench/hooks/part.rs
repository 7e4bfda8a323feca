//! What a hook does for a message. In: the name of a hook. Out: its part, and the type of its
//! program.

/// The part of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Opens the journey of what a socket of this node sends, and copies its head.
    Opening,
    /// Opens the journey of what arrives from another node, and copies its head.
    Arrival,
    /// Adds a stamp to the journey.
    Stamp,
    /// Ends the journey.
    Closing,
    /// Reports that the application has read the message: it runs in a system call, not for a
    /// packet.
    Read,
    /// Reports packets that the kernel drops.
    Drop,
    /// Reports sockets that are closed.
    Close,
}

impl Part {
    /// The parts for a message when neither it nor its connection fails.
    pub(super) const OF_MESSAGE: [Self; 4] =
        [Self::Opening, Self::Stamp, Self::Closing, Self::Read];

    /// The part of the hook with this name. A hook of another version of the agent counts as a stamp.
    pub(super) fn of(hook: &str) -> Self {
        Self::known(hook).unwrap_or(Self::Stamp)
    }

    fn known(hook: &str) -> Option<Self> {
        Some(match hook {
            "cgroup_egress" => Self::Opening,
            "uplink_receive" => Self::Arrival,
            "cgroup_ingress" => Self::Closing,
            "socket_read" => Self::Read,
            "socket_close" => Self::Close,
            "packet_drop" => Self::Drop,
            "device_transmit" | "device_receive" => Self::Stamp,
            hook if is_of_netfilter(hook) => Self::Stamp,
            _ => return None,
        })
    }

    /// Whether it runs for every packet, of interest or not.
    pub(super) const fn is_of_packets(self) -> bool {
        !matches!(self, Self::Read | Self::Close)
    }

    /// As in the keys of figures.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Arrival => "arrival",
            Self::Stamp => "stamps",
            Self::Closing => "closing",
            Self::Read => "read",
            Self::Drop => "drop",
            Self::Close => "close",
        }
    }
}

/// The type of the program at a hook, as `hopspan-bench programs` names it.
pub(super) fn kind(hook: &str) -> &'static str {
    match Part::of(hook) {
        Part::Opening | Part::Closing => "cgroup_skb",
        Part::Arrival => "socket_filter",
        Part::Stamp if is_of_netfilter(hook) => "netfilter",
        _ => "tracing",
    }
}

fn is_of_netfilter(hook: &str) -> bool {
    hook.ends_with("_enter") || hook.ends_with("_leave")
}

#[cfg(test)]
mod tests {
    use tracer_common::hook::Hook;

    use super::*;

    #[test]
    fn every_hook_of_the_agent_is_known() {
        for hook in Hook::ALL.map(Hook::name) {
            assert!(Part::known(hook).is_some(), "{hook} has no part");
        }
    }

    #[test]
    fn each_hook_has_a_part_and_a_type() {
        let check = |hook: &str, part: Part, of_kind: &str| {
            assert_eq!((Part::of(hook), kind(hook)), (part, of_kind), "{hook}");
        };
        check("cgroup_egress", Part::Opening, "cgroup_skb");
        check("cgroup_ingress", Part::Closing, "cgroup_skb");
        check("uplink_receive", Part::Arrival, "socket_filter");
        check("postrouting_leave", Part::Stamp, "netfilter");
        check("device_transmit", Part::Stamp, "tracing");
        check("socket_read", Part::Read, "tracing");
        check("socket_close", Part::Close, "tracing");
        check("packet_drop", Part::Drop, "tracing");
    }
}
