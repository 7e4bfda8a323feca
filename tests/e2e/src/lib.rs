//! What the end-to-end tests share: a lab with agent, viewer and application, and the spans that
//! came of it.
//!
//! The tests run the real binaries. `cargo xtask test` builds them first; HOPSPAN_BIN_DIR says where
//! they are, else they are looked for beside the test's own executable.

mod answer;
mod binaries;
mod collector;
mod dialogue_fixture;
mod dropping;
mod echo_fixture;
mod expect;
mod fixture;
pub mod frames;
mod kernel;
mod nodes_scene;
mod parent;
mod report;
mod seen;
mod spans;

pub use answer::Answer;
pub use binaries::binary;
pub use collector::{Collected, Collector, Exchange};
pub use dialogue_fixture::{
    Dialogue, Dialogues, Step, end, fill, hang, knock, pause, reset, send, shut, take, until,
};
pub use dropping::{Dropping, Which};
pub use echo_fixture::{EchoOutcome, EchoScene, Judgement, Sent};
pub use expect::{Truth, assert_exchanges, assert_legs, assert_partition, hop_names};
pub use fixture::{Outcome, Prelude, Scene};
pub use kernel::Kernel;
pub use nodes_scene::{NodeAgent, NodesOutcome, NodesScene};
pub use parent::Parent;
pub use report::Report;
pub use seen::seen;
pub use spans::{Span, Trace, Traces};
