//! What the end-to-end tests share: fixtures of a lab with agents, a viewer and the application,
//! and the spans that these export.
//!
//! The tests run the real binaries, which `cargo xtask test` builds first. They are in the
//! directory that HOPSPAN_BIN_DIR names, or beside the test's own executable.

mod agent;
mod answer;
pub mod back_ends;
mod binaries;
mod call_ends;
mod collector;
mod dialogue_fixture;
mod drop_rule;
mod echo;
mod echo_fixture;
mod exchange;
mod expect;
mod fdinfo;
mod fixture;
mod flood;
pub mod frames;
pub mod http1;
mod kernel;
mod parent;
mod python;
mod replay;
mod report;
mod seen;
mod spans;
mod step;

pub use agent::{AGENT_PORT, Agent, Metrics};
pub use answer::Answer;
pub use binaries::binary;
pub use call_ends::CallEnds;
pub use collector::{Collected, CollectedExchange, Collector, CollectorState};
pub use dialogue_fixture::{CLOSE_REPORTED, Dialogue, DialogueFixture};
pub use drop_rule::{DropRule, Dropped, insert_rule};
pub use echo::{
    EchoLoad, RunsPrograms, echo, echo_server, play_client, play_fast_open_client, play_server,
    wait_for_output, wait_for_steps, wait_for_success,
};
pub use echo_fixture::{ClientLoad, EchoFixture, EchoOutcome, Judgement};
pub use exchange::Exchange;
pub use expect::{Truth, assert_exchanges, assert_legs, assert_partition, hop_names};
pub use fdinfo::{fdinfos, held_ids, number_after, peak_bytes};
pub use fixture::{Fixture, NodeAgent, Outcome};
pub use flood::Flood;
pub use kernel::Kernel;
pub use parent::Parent;
pub use python::python;
pub use replay::replay;
pub use report::Report;
pub use seen::seen;
pub use spans::{Span, Trace, Traces};
pub use step::{Step, end, fill, hang, hex, knock, pause, reset, send, shut, take, until};
