//! The counters of the kernel programs, per CPU.

use crate::hook::Hook;

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
}

impl Counter {
    /// Every counter, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::Opened,
        Self::Closed,
        Self::Dropped,
        Self::Replaced,
        Self::OpenFailed,
        Self::Mismatched,
        Self::JourneyLost,
        Self::HeadLost,
        Self::ReadLost,
        Self::DeviceLost,
        Self::HeadUnreadable,
        Self::FragmentLost,
        Self::CloseLost,
        Self::Left,
        Self::Forwarded,
        Self::FailedConnectLost,
        Self::WindowLost,
        Self::LeftOut,
        Self::Shed,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Dropped => "dropped",
            Self::Replaced => "replaced",
            Self::OpenFailed => "open_failed",
            Self::Mismatched => "mismatched",
            Self::JourneyLost => "journey_lost",
            Self::HeadLost => "head_lost",
            Self::ReadLost => "read_lost",
            Self::DeviceLost => "device_lost",
            Self::HeadUnreadable => "head_unreadable",
            Self::FragmentLost => "fragment_lost",
            Self::CloseLost => "close_lost",
            Self::Left => "left",
            Self::Forwarded => "forwarded",
            Self::FailedConnectLost => "failed_connect_lost",
            Self::WindowLost => "window_lost",
            Self::LeftOut => "left_out",
            Self::Shed => "shed",
        }
    }

    /// Its index in the counter array, after the hits of the hooks.
    pub const fn index(self) -> u32 {
        Hook::ALL.len() as u32 + self as u32
    }
}

/// Size of the counter array: the hits of each hook, then the counters.
pub const SLOTS: u32 = (Hook::ALL.len() + Counter::ALL.len()) as u32;

const _: () = {
    let mut index = 0;
    while index < Counter::ALL.len() {
        assert!(Counter::ALL[index] as usize == index);
        index += 1;
    }
};
