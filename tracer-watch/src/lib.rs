//! `hopspan watch`: the exchanges of a running agent as they happen, as lines, as JSON, or on a full
//! screen.
//!
//! In: the agent's `/exchanges`, over TCP or a unix socket. Out: text. It attaches nothing and needs
//! no privileges but to reach the agent. Everything that comes is bounded and cleaned before it is
//! printed.
//!
//! The stages in order; each imports only stages above it:
//!
//! | stage | does | I/O |
//! |---|---|---|
//! | [`args`] | the command line, and the query that it makes | no |
//! | `event` | a line of the agent to an event | no |
//! | `agent` | connects, and connects again | yes |
//! | `text` | names, durations and widths | no |
//! | `line` | an exchange to one line | no |
//! | `screen` | exchanges and keys to a full screen | no |
//! | `run` | runs the stages | yes |

#![forbid(unsafe_code)]

mod agent;
pub mod args;
mod event;
mod line;
mod run;
mod screen;
mod text;

pub use args::Args;
pub use run::run;
