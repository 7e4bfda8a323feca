//! The records that cross the kernel boundary, one file per record, and other definitions that both
//! sides share.
//!
//! `tracer-ebpf` writes the records, and the agent's `decode` stage reads them. Both compile these
//! types. All of them are `repr(C)`, integers and arrays only, with explicit padding and a const
//! assertion on their size. Integers are in host byte order unless their name ends in `_be`. Times
//! are nanoseconds of `CLOCK_MONOTONIC`, as `bpf_ktime_get_ns` returns them.

#![no_std]

pub mod close;
pub mod conntrack;
pub mod counter;
pub mod device;
pub mod edge;
pub mod failed_connect;
pub mod fragment;
mod from_number;
pub mod head;
pub mod hook;
pub mod http1;
pub mod journey;
pub mod keys;
pub mod message;
mod named;
pub mod offset;
pub mod pair_share;
pub mod read;
pub mod remote;
pub mod seq;
pub mod stamp;
pub mod trace_header;
pub mod tuple;
pub mod uplink;
pub mod watch;
pub mod window;

use from_number::from_number;

/// The kind of a record, in its first four bytes.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// [`head::Head`], followed by the captured bytes.
    Head = 1,
    /// [`journey::Journey`], cut after its last stamp.
    Journey = 2,
    /// [`read::Read`].
    Read = 3,
    /// [`device::Device`].
    Device = 4,
    /// [`fragment::Fragment`], followed by the captured bytes.
    Fragment = 5,
    /// [`close::Close`].
    Close = 6,
    /// [`failed_connect::FailedConnect`].
    FailedConnect = 7,
    /// [`window::Window`].
    Window = 8,
}

from_number!(RecordKind: u32, Head, Journey, Read, Device, Fragment, Close, FailedConnect, Window);
