//! Follows the frame boundaries of HTTP/2 in one direction of a connection, and copies the frames
//! that carry requests and responses. DATA is stepped over; only the frame header that ends a
//! stream is copied.
//!
//! A connection is recognised by its preface, or in the middle by the shape of its frames. The
//! boundary is lost where bytes were not seen, or where a packet has more frames than the loop has
//! turns. An empty fragment then carries a flag. The boundary is searched for again, and the next
//! fragment carries the flag too.

mod cursor;
mod fragment;
mod frame;
mod upgrade;
mod walk;

pub(crate) use cursor::{forget, is_known};
pub(crate) use upgrade::begin_after_101;
pub(crate) use walk::{follow, recognise};
