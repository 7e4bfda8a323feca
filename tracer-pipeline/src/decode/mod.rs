//! Bytes to typed records.
//!
//! In: one raw record, from the ring buffer or from a recording. Out: a [`Record`] in standard
//! types (socket addresses, enums), or an error for a record that is short, of an unknown kind or
//! out of range. Each record stands alone: a bad one does not affect the next.

mod captured;
mod clock_sample;
mod close;
mod conntrack;
mod device;
mod drop_reasons;
pub mod fact;
mod failed_connect;
mod fragment;
mod head;
mod journey;
mod plain;
mod read;
mod tuple;
mod window;

pub use captured::{has_payload, payload};
pub use clock_sample::ClockSample;
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
pub use tuple::Tuple;
pub use window::{Window, WindowKind};

use tracer_common::RecordKind;

/// One decoded record, the input of the later stages.
#[allow(
    clippy::large_enum_variant,
    reason = "most records are journeys: a box would cost each an allocation"
)]
#[derive(Clone, Debug)]
pub enum Record {
    /// The first bytes of a request or response.
    Head(Head),
    /// HTTP/2 frames, or a part of one.
    Fragment(Fragment),
    /// The stamps of one message.
    Journey(Journey),
    /// An application has read from a socket.
    Read(Read),
    /// A socket has closed.
    Close(Close),
    /// connect(2) has failed.
    FailedConnect(FailedConnect),
    /// A socket's receive window has closed or opened.
    Window(Window),
    /// A network device.
    Device(Device),
}

/// A record that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record is shorter than its kind requires.
    #[error("record of kind {kind} is cut: {bytes} bytes")]
    Short {
        /// The record kind in its first four bytes.
        kind: u32,
        /// Length of the record in bytes.
        bytes: usize,
    },
    /// No record kind of this version.
    #[error("record kind {0} is unknown")]
    Kind(u32),
    /// An enumeration's number is out of range.
    #[error("{field} {value} is unknown")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// The number in the record.
        value: u32,
    },
}

/// Decodes one record.
///
/// # Errors
///
/// When the bytes are not a record. The caller counts the error and continues.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let kind = bytes
        .first_chunk()
        .map_or(0, |kind| u32::from_ne_bytes(*kind));
    let short = DecodeError::Short {
        kind,
        bytes: bytes.len(),
    };
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
mod tests;
