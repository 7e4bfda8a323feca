//! Bytes to typed records.
//!
//! In: one raw record, from the ring buffer or from a recording. Out: `Record`, in standard types
//! (socket addresses, enums). Refuses what is short, of an unknown kind, or out of range; it never
//! refuses the record after it.

mod close;
mod conntrack;
mod device;
mod drop_reasons;
pub mod fact;
mod failed_connect;
mod fragment;
mod head;
mod journey;
#[allow(unsafe_code, reason = "copies records out of bytes")]
mod plain;
mod read;
mod snapshot;
mod tuple;
mod window;

pub use close::{Close, CloseKind};
pub use conntrack::Conntrack;
pub use device::{Device, DeviceId};
pub use drop_reasons::{DropLayer, DropReasons};
pub use fact::Fact;
pub use failed_connect::FailedConnect;
pub use fragment::Fragment;
pub use head::Head;
#[cfg(test)]
pub(crate) use journey::builder::JourneyBuilder;
pub use journey::{Journey, Stamp};
pub use read::Read;
pub use snapshot::{ClockSample, Snapshot};
pub use tuple::Tuple;
pub use window::{Window, WindowKind};

use tracer_common::RecordKind;

/// What happened, as the stages after this one know it.
#[allow(
    clippy::large_enum_variant,
    reason = "most records are journeys: a box would cost each an allocation"
)]
#[derive(Clone, Debug)]
pub enum Record {
    /// The first bytes of a request or response.
    Head(Head),
    /// A piece of HTTP/2.
    Fragment(Fragment),
    /// The stamps of one message.
    Journey(Journey),
    /// An application has read.
    Read(Read),
    /// A socket has closed.
    Close(Close),
    /// A connection could not be opened.
    FailedConnect(FailedConnect),
    /// A socket has no room, or has room again.
    Window(Window),
    /// A network device exists.
    Device(Device),
    /// What the agent itself saw: the clocks, the rules, who is who.
    Snapshot(Snapshot),
}

/// A record that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its kind.
    #[error("record of kind {kind} is cut: {bytes} bytes")]
    Short {
        /// As it says.
        kind: u32,
        /// Its length.
        bytes: usize,
    },
    /// Not from this version's programs.
    #[error("record kind {0} is unknown")]
    Kind(u32),
    /// Not what user space writes.
    #[error("record of kind {kind} is malformed")]
    Malformed {
        /// As it says.
        kind: u32,
    },
    /// An enumeration is out of range.
    #[error("{field} {value} is unknown")]
    Value {
        /// Of which field.
        field: &'static str,
        /// The number.
        value: u32,
    },
}

/// Decodes one record.
///
/// # Errors
///
/// When the bytes are not a record; the caller counts it and goes on.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let kind = bytes
        .first_chunk()
        .map_or(0, |kind| u32::from_ne_bytes(*kind));
    let short = DecodeError::Short {
        kind,
        bytes: bytes.len(),
    };
    if let Some(snapshot) = snapshot::decode(kind, bytes) {
        return snapshot.map(Record::Snapshot);
    }
    match RecordKind::try_from(kind).map_err(DecodeError::Kind)? {
        RecordKind::Head => head::decode(bytes, short).map(Record::Head),
        RecordKind::Journey => journey::decode(bytes, short).map(Record::Journey),
        RecordKind::Read => read::decode(bytes, short).map(Record::Read),
        RecordKind::Device => device::decode(bytes, short).map(Record::Device),
        RecordKind::Close => close::decode(bytes, short).map(Record::Close),
        RecordKind::FailedConnect => {
            failed_connect::decode(bytes, short).map(Record::FailedConnect)
        }
        RecordKind::Window => window::decode(bytes, short).map(Record::Window),
        RecordKind::Fragment => fragment::decode(bytes, short).map(Record::Fragment),
    }
}

#[cfg(test)]
#[allow(unsafe_code, reason = "views records as bytes")]
mod tests;
