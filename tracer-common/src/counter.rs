//! The counters of the kernel programs, per CPU.

use crate::{hook::Hook, named::named};

/// A counter besides the hits of each hook.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Journeys opened.
    Opened = 0,
    /// Journeys that a socket ended.
    Closed = 1,
    /// Journeys that a drop ended.
    Dropped = 2,
    /// Journeys whose packet left the hooks' sight: a new journey was opened at its address.
    Replaced = 3,
    /// Journeys not opened because their bucket was full.
    OpenFailed = 4,
    /// Journeys whose packet left the hooks' sight: another packet with its address reached a last
    /// hook.
    Mismatched = 5,
    /// Journey records that did not fit into the ring buffer.
    JourneyLost = 6,
    /// Head records that did not fit.
    HeadLost = 7,
    /// Read records that did not fit.
    ReadLost = 8,
    /// Device records that did not fit.
    DeviceLost = 9,
    /// Heads that could not be copied from the packet.
    HeadUnreadable = 10,
    /// Fragment records that did not fit.
    FragmentLost = 11,
    /// Close records that did not fit.
    CloseLost = 12,
    /// Journeys that an uplink ended: the packet left for another node.
    Left = 13,
    /// Journeys of packets that arrived by an uplink and left by one. They are not sent.
    Forwarded = 14,
    /// Failed connect records that did not fit.
    FailedConnectLost = 15,
    /// Window records that did not fit.
    WindowLost = 16,
    /// Requests not followed because their trace context is not sampled, or because they carry
    /// none.
    LeftOut = 17,
    /// Requests not followed because there are too many.
    Shed = 18,
    /// Of the records that did not fit, those that the share of their pair had no room for.
    OverShare = 19,
}

named!(
    Counter,
    Opened: "opened",
    Closed: "closed",
    Dropped: "dropped",
    Replaced: "replaced",
    OpenFailed: "open_failed",
    Mismatched: "mismatched",
    JourneyLost: "journey_lost",
    HeadLost: "head_lost",
    ReadLost: "read_lost",
    DeviceLost: "device_lost",
    HeadUnreadable: "head_unreadable",
    FragmentLost: "fragment_lost",
    CloseLost: "close_lost",
    Left: "left",
    Forwarded: "forwarded",
    FailedConnectLost: "failed_connect_lost",
    WindowLost: "window_lost",
    LeftOut: "left_out",
    Shed: "shed",
    OverShare: "over_share",
);

impl Counter {
    /// The reason in `hopspan_records_lost_total`, for a counter of records that the programs could
    /// not keep or send.
    pub const fn loss(self) -> Option<&'static str> {
        match self {
            Self::OpenFailed => Some("journey_map_full"),
            Self::JourneyLost => Some("journey_ring_full"),
            Self::HeadLost => Some("head_ring_full"),
            Self::FragmentLost => Some("fragment_ring_full"),
            Self::ReadLost => Some("read_ring_full"),
            Self::DeviceLost => Some("device_ring_full"),
            Self::CloseLost => Some("close_ring_full"),
            Self::FailedConnectLost => Some("failed_connect_ring_full"),
            Self::WindowLost => Some("window_ring_full"),
            Self::HeadUnreadable => Some("head_unreadable"),
            Self::Opened
            | Self::Closed
            | Self::Dropped
            | Self::Replaced
            | Self::Mismatched
            | Self::Left
            | Self::Forwarded
            | Self::LeftOut
            | Self::Shed
            | Self::OverShare => None,
        }
    }

    /// Its index in the counter array, after the hits of the hooks.
    pub const fn index(self) -> u32 {
        Hook::ALL.len() as u32 + self as u32
    }
}

/// Size of the counter array: the hits of each hook, then the counters.
pub const SLOTS: u32 = (Hook::ALL.len() + Counter::ALL.len()) as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_has_a_reason_of_its_own() {
        for counter in Counter::ALL {
            let reason = counter.loss();
            assert!(reason.is_some() || !counter.name().ends_with("_lost"));
            let same = Counter::ALL
                .into_iter()
                .filter(|other| other.loss() == reason);
            assert!(reason.is_none() || same.count() == 1, "{reason:?}");
        }
    }
}
