//! Follows HTTP/2 frame boundaries in one direction of a connection, and cuts out the frames that
//! tell of requests and responses. DATA is stepped over and never copied.
//!
//! A connection is known by its preface, or recognised in the middle by what its frames look like.
//! Where the boundary is lost (more frames in one packet than the loop is long, bytes that were
//! not seen) the next fragment says so, and the boundary is looked for again.

mod cursor;
mod fragment;
mod frame;
mod upgrade;
mod walk;

pub(crate) use cursor::{forget, is_known};
pub(crate) use upgrade::switches;
pub(crate) use walk::{follow, recognise};
