//! Copies a record of `tracer-common` out of bytes.

use tracer_common::{close, device, failed_connect, fragment, head, journey, read, window};

/// A `repr(C)` structure of integers and arrays, for which any bytes are a valid value.
///
/// # Safety
///
/// The structure has no other fields and no implicit padding.
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

/// The structure at the start of `bytes`; `None` where `bytes` is shorter than the structure.
pub(super) fn from_prefix<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: `bytes` is long enough, the read is unaligned, and any bytes are a valid `T`.
    Some(unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<T>()) })
}

/// The structure at the start of `bytes`; missing bytes at its end are zero.
pub(super) fn from_cut<T: Plain>(bytes: &[u8]) -> T {
    let mut value = std::mem::MaybeUninit::<T>::zeroed();
    let copied = bytes.len().min(size_of::<T>());
    // SAFETY: both sides have at least `copied` bytes, and they do not overlap.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.as_mut_ptr().cast::<u8>(), copied);
    }
    // SAFETY: every byte is initialised, and any bytes are a valid `T`.
    unsafe { value.assume_init() }
}
