//! The devices by which the node reaches other nodes.
//!
//! In: links and default routes of the node's network namespace, and the names given with --uplink.
//! Out: the uplinks at the start, and after each change.

mod choice;
mod rtnetlink;
mod watch;

pub use choice::{Link, Network, Uplink, Uplinks, choose};
pub use rtnetlink::Rtnetlink;
pub(crate) use watch::watch;
