//! Copies a record of `tracer-common` out of bytes.

use tracer_common::{close, device, failed_connect, fragment, head, journey, read, window};

/// A `repr(C)` structure of integers and arrays: any bytes are a valid value.
///
/// # Safety
///
/// Implement it for such structures only, without implicit padding.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: integers and arrays with explicit padding, by tracer-common's const assertions.
unsafe impl Plain for head::Head {}
// SAFETY: as above.
unsafe impl Plain for journey::Journey {}
// SAFETY: as above.
unsafe impl Plain for read::Read {}
// SAFETY: as above.
unsafe impl Plain for close::Close {}
// SAFETY: as above.
unsafe impl Plain for failed_connect::FailedConnect {}
// SAFETY: as above.
unsafe impl Plain for device::Device {}
// SAFETY: as above.
unsafe impl Plain for window::Window {}
// SAFETY: as above.
unsafe impl Plain for fragment::Fragment {}

/// The structure at the start of `bytes`; `None` when they are too few.
pub(super) fn from_prefix<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: enough bytes, read without regard to alignment, and any value is valid.
    Some(unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<T>()) })
}

/// The structure at the start of `bytes`, with zeros for what is missing at its end.
pub(super) fn from_cut<T: Plain>(bytes: &[u8]) -> T {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let copied = bytes.len().min(size_of::<T>());
    // SAFETY: `copied` bytes are in both, and they do not overlap.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast::<u8>(), copied);
    }
    // SAFETY: every byte is set, and any value is valid.
    unsafe { value.assume_init() }
}
