//! One file per hook family. Each documents what it sees, what it misses, the oldest kernel and
//! the fallback.

mod cgroup;
mod close;
mod device;
mod drop;
mod netfilter;
mod socket;
mod uplink;
