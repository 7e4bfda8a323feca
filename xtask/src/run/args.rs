//! The command line of `run`. In: flags. Out: a struct.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use hopspan_lab::kube_proxy::ProxyMode;
use hopspan_lab::{NodeOptions, Overlay, Wiring};

use super::fault::Fault;
use crate::workspace::Profile;

/// The lab has addresses for so many.
const MAX_SERVICES: u64 = 32_768;

/// The agent's `--detail`.
const DETAILS: [&str; 3] = ["auto", "path", "hop"];

/// Each has an agent of its own; more only make the page longer.
const MAX_NODES: u64 = 5;

/// Set everything up, send HotROD requests through a lab, and print their traces
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// How many dispatches to send
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub(crate) requests: u32,

    /// How many dispatches at a time
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub(crate) concurrency: u32,

    /// How many nodes, each with an agent: HotROD's frontend is on the first, the services that it
    /// calls on the others
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u8>::new().range(1..=MAX_NODES))]
    pub(crate) nodes: u8,

    /// How packets cross the wire between nodes: as they are (kindnet, flannel's host-gw), or
    /// inside VXLAN (flannel)
    #[arg(long, value_name = "OVERLAY", default_value = Overlay::default().name(), value_parser = overlay())]
    pub(crate) overlay: Overlay,

    /// How pods are connected to the node: all by one bridge (flannel, kubenet), or each by a veth
    /// with a route of its own (kindnet, Calico, clouds)
    #[arg(long, value_name = "WIRING", default_value = Wiring::default().name(), value_parser = wiring())]
    pub(crate) wiring: Wiring,

    /// How the node's kube-proxy writes its rules
    #[arg(long, value_name = "MODE", default_value = ProxyMode::default().name(), value_parser = proxy_mode())]
    pub(crate) proxy_mode: ProxyMode,

    /// Put N services of two endpoints each before HotROD's in the rules: the netfilter hops of
    /// `connect` show what they cost
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<u32>::new().range(..=MAX_SERVICES))]
    pub(crate) services: u32,

    /// Make the frontend's call to the customer service fail, and show where. A dispatch that fails
    /// because of it is a success of the run
    #[arg(long, value_name = "FAULT", value_enum, conflicts_with = "keep")]
    pub(crate) fault: Option<Fault>,

    /// Also write every span received to FILE, as OTLP/JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also send every span to an existing collector, as http://HOST:4317
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,

    /// Leave the lab, the agent and the viewer running until Ctrl-C, and print what to try
    #[arg(long)]
    pub(crate) keep: bool,

    /// Show the traces on a page in a browser, and leave everything running until Ctrl-C
    #[arg(long, conflicts_with = "fault")]
    pub(crate) page: bool,

    /// With --keep: what runs in the pods: HotROD, or nothing, so that you start programs of your own
    #[arg(long, value_name = "APP", value_enum, default_value_t = App::Hotrod, requires_if("none", "keep"), conflicts_with_all = ["fault", "hotrod"])]
    pub(crate) app: App,

    /// Run this build of HotROD in the pods
    #[arg(long, value_name = "BINARY")]
    pub(crate) hotrod: Option<PathBuf>,

    /// Cells in a line [default: the terminal's width]
    #[arg(long, value_name = "CELLS")]
    pub(crate) width: Option<u16>,

    /// Print at most N waterfalls [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) waterfalls: Option<u32>,

    /// Show every hop of every exchange
    #[arg(long)]
    pub(crate) full: bool,

    /// The exchanges whose hops have spans: all (hop), none (path), or those worth it (auto)
    #[arg(long, value_name = "DETAIL", default_value = DETAILS[2], value_parser = DETAILS)]
    pub(crate) detail: String,

    /// Make the kernel programs log each packet of interest, and keep all logs
    #[arg(long)]
    pub(crate) debug: bool,

    /// Build with optimisations
    #[arg(long)]
    pub(crate) release: bool,
}

/// What runs in the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum App {
    /// The ride-hailing demo
    Hotrod,
    /// Nothing: two empty servers behind a service, and an empty client
    None,
}

impl RunArgs {
    /// What each node is like.
    pub(crate) fn node_options(&self) -> NodeOptions {
        NodeOptions {
            wiring: self.wiring,
            proxy_mode: self.proxy_mode,
            overlay: self.overlay,
            ..NodeOptions::default()
        }
    }

    /// Whether the lab stays up after the dispatches.
    pub(crate) fn stays(&self) -> bool {
        self.keep || self.page
    }

    /// How the programs are built.
    pub(crate) fn profile(&self) -> Profile {
        match self.release {
            true => Profile::Release,
            false => Profile::Dev,
        }
    }
}

fn wiring() -> impl TypedValueParser<Value = Wiring> {
    PossibleValuesParser::new(Wiring::ALL.map(Wiring::name)).try_map(|name| name.parse())
}

fn overlay() -> impl TypedValueParser<Value = Overlay> {
    PossibleValuesParser::new(Overlay::ALL.map(Overlay::name)).try_map(|name| name.parse())
}

fn proxy_mode() -> impl TypedValueParser<Value = ProxyMode> {
    PossibleValuesParser::new(ProxyMode::ALL.map(ProxyMode::name)).try_map(|name| name.parse())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: RunArgs,
    }

    #[test]
    fn an_empty_lab_stays_up() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("run --app none --keep").is_ok());
        assert!(parse("run --app hotrod").is_ok());
        assert!(parse("run --app none").is_err());
        assert!(parse("run --app none --keep --hotrod target/release/hotrod").is_err());
    }

    #[test]
    fn what_the_lab_cannot_do_is_refused() {
        for [flag, good, bad] in [
            ["--requests", "1000", "0"],
            ["--nodes", "5", "0"],
            ["--nodes", "5", "6"],
            ["--overlay", "vxlan", "geneve"],
            ["--services", "32768", "32769"],
            ["--wiring", "routed", "tokenring"],
            ["--proxy-mode", "nftables", "ipvs"],
            ["--fault", "conntrack-full", "earthquake"],
            ["--detail", "path", "packet"],
        ] {
            let parse = |value| Cli::try_parse_from(["run", flag, value]);
            assert!(parse(good).is_ok() && parse(bad).is_err(), "{flag}");
        }
    }
}
