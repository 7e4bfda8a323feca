//! The pure stages of the agent, for the fuzz targets. In: the sources of tracer-user. Out: the same
//! modules under the same names.
//!
//! They are compiled from their files instead of as the crate tracer-user: that would build the
//! kernel programs and put a fuzzer's coverage counters into aya, tokio and the exporter. So this
//! builds in seconds on any machine with nightly, the counters are only in code under test, and a
//! pure stage that does I/O through any of them does not compile here.

#![allow(missing_docs)]

#[path = "../../tracer-user/src/counts.rs"]
pub mod counts;
#[path = "../../tracer-user/src/decode/mod.rs"]
pub mod decode;
#[path = "../../tracer-user/src/flow/mod.rs"]
pub mod flow;
#[path = "../../tracer-user/src/http/mod.rs"]
pub mod http;
#[path = "../../tracer-user/src/http2/mod.rs"]
pub mod http2;
/// What of it is pure.
#[path = "../../tracer-user/src/identity"]
pub mod identity {
    pub mod cgroup;
    pub mod kube_proxy;
    pub mod serving;
    pub mod waiting;
    pub mod who;
    pub mod workload;
}
#[path = "../../tracer-user/src/path/mod.rs"]
pub mod path;
#[path = "../../tracer-user/src/pipeline.rs"]
pub mod pipeline;
#[path = "../../tracer-user/src/span/mod.rs"]
pub mod span;
