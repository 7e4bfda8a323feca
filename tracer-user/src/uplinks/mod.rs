//! The devices by which the node reaches other nodes.
//!
//! In: links and default routes of the node's network namespace, and the names given with --uplink. Out:
//! the uplinks, at once and whenever they change.

mod choice;
mod rtnetlink;
mod watch;

pub use choice::{Link, Network, Uplink, Uplinks, choose};
pub use rtnetlink::{Rtnetlink, RtnetlinkError};
pub(crate) use watch::watch;
