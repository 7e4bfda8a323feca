//! Copies a record of `tracer-common` out of bytes.

use zerocopy::{FromBytes, IntoBytes};

/// The structure at the start of `bytes`; `None` when they are too few.
pub(super) fn from_prefix<T: FromBytes>(bytes: &[u8]) -> Option<T> {
    let (value, _) = T::read_from_prefix(bytes).ok()?;
    Some(value)
}

/// The structure at the start of `bytes`, with zeros for what is missing at its end.
pub(super) fn from_cut<T: FromBytes + IntoBytes>(bytes: &[u8]) -> T {
    let mut value = T::new_zeroed();
    let copied = bytes.len().min(size_of::<T>());
    value.as_mut_bytes()[..copied].copy_from_slice(&bytes[..copied]);
    value
}
