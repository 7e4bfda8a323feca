//! `hopspan view`: an OTLP receiver that prints each trace as a waterfall, application and
//! data-plane spans in one tree, and a table per service edge of application time beside data-plane
//! time.
//!
//! In: OTLP over gRPC and HTTP. Out: text, and on request a file of OTLP/JSON lines and a copy to a
//! collector. It knows hopspan's spans by the words in `tracer-semconv`, and nothing of kernels,
//! hooks or the agent.
//!
//! The stages in order; each imports only stages above it:
//!
//! | stage | does | I/O |
//! |---|---|---|
//! | [`receive`] | sockets to requests, and requests to [`decode`]d spans | yes |
//! | [`store`] | spans to traces, in bounded memory | no |
//! | [`merge`] | the halves of an exchange between nodes to one exchange on one clock, hops to spans | no |
//! | [`tree`] | a trace to a tree | no |
//! | [`exchange`] | a tree to exchanges: connect, request and response that belong together | no |
//! | [`call`], [`call_sample`] | a tree to calls between services | no |
//! | [`compare`] | calls to a comparison per service edge | no |
//! | [`render`] | trees and comparisons to lines of text | no |
//! | [`run`] | runs the stages | yes |

#![forbid(unsafe_code)]

pub mod args;
pub mod call;
pub mod call_sample;
pub mod choose;
pub mod compare;
pub mod critical_path;
pub mod decode;
pub mod distribution;
mod duration;
pub mod exchange;
mod files;
mod headline;
pub mod hop_times;
pub mod id;
pub mod merge;
mod otlp_json;
mod problem;
pub mod receive;
pub mod render;
mod report;
mod run;
pub mod sink;
mod source;
pub mod span;
pub mod store;
mod terminal;
pub mod text;
pub mod trace_summary;
mod translation;
pub mod tree;
mod web;

pub use args::Args;
pub use files::{MergeArgs, merge_files};
pub use report::{ReportArgs, report};
pub use run::{Bound, run, view};
