//! The end-to-end tests, one module for each part of the product.
//!
//! One program, because that builds three times faster than one for each module. `cargo xtask test`
//! runs one module after the other.

mod agent_end;
mod back_end;
mod collector_faults;
mod connections;
mod detail;
mod dispatch;
mod doctor;
mod ends;
mod environment;
mod failed_connects;
mod fast_open;
mod faults;
mod heads;
mod hooks;
mod http1;
mod http2;
mod isolation;
mod left_out;
mod malformed;
mod merged;
mod metrics;
mod middle;
mod names;
mod nodes;
mod port_attacks;
mod programs;
mod prometheus;
mod replay;
mod retransmission;
mod rules;
mod rules_cost;
mod sampling;
mod secrets;
mod shedding;
mod soak;
mod surroundings;
mod trace_formats;
mod trace_response;
mod translation;
mod two_agents;
mod untraced;
mod upgrade;
mod volume;
mod watch;
