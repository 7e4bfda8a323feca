//! One file per hook family. Each documents what the hook sees and misses, the oldest kernel, and
//! the fallback.

mod cgroup;
mod close;
mod device;
mod drop;
mod netfilter;
mod socket;
mod uplink;
