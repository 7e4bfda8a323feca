//! The command line of `run`, and the same once more for its root half. In: flags. Out: structs,
//! and flags again.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use hopspan_lab::kube_proxy::ProxyMode;
use hopspan_lab::{NodeOptions, Overlay, Wiring};

use super::fault::Fault;
use crate::command_line::CommandLine;

/// What the lab has addresses for.
const MAX_SERVICES: u64 = 32_768;

/// As the agent has them.
const DETAILS: [&str; 3] = ["exchange", "path", "hop"];

/// Each has an agent of its own; more only make the page longer.
const MAX_NODES: u64 = 5;

/// Set everything up, send HotROD requests through a lab, and print their traces
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct RunArgs {
    /// How many dispatches to send
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub(crate) requests: u32,

    /// How many dispatches at a time
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub(crate) concurrency: u32,

    /// How many nodes, each with an agent: HotROD's frontend is on the first, what it calls on the others
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<u8>::new().range(1..=MAX_NODES))]
    pub(crate) nodes: u8,

    /// How packets cross the wire between nodes: as they are (kindnet, flannel's host-gw), or within VXLAN (flannel)
    #[arg(long, value_name = "OVERLAY", default_value = Overlay::default().name(), value_parser = overlay())]
    pub(crate) overlay: Overlay,

    /// How pods hang on the node: all on one bridge (flannel, kubenet), or each by a route over its own veth (kindnet, Calico,
    /// clouds)
    #[arg(long, value_name = "WIRING", default_value = Wiring::default().name(), value_parser = wiring())]
    pub(crate) wiring: Wiring,

    /// How the node's kube-proxy writes its rules
    #[arg(long, value_name = "MODE", default_value = ProxyMode::default().name(), value_parser = proxy_mode())]
    pub(crate) proxy_mode: ProxyMode,

    /// Put N services of two endpoints each before HotROD's in the rules: the netfilter hops of `connect` show what they cost
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<u32>::new().range(..=MAX_SERVICES))]
    pub(crate) services: u32,

    /// Let the frontend's call to the customer service fail, and show where. A dispatch that fails because of it is a success of
    /// the run
    #[arg(long, value_name = "FAULT", value_enum, conflicts_with = "keep")]
    pub(crate) fault: Option<Fault>,

    /// Also write every span received to FILE, as OTLP/JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Also send every span to an existing collector, as http://HOST:4317
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<String>,

    /// Leave the lab, the agent and the viewer up until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,

    /// Cells in a line [default: the terminal's width]
    #[arg(long, value_name = "CELLS")]
    pub(crate) width: Option<u16>,

    /// Print at most N waterfalls [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) waterfalls: Option<u32>,

    /// Show every hop of every exchange
    #[arg(long)]
    pub(crate) full: bool,

    /// What has a span of its own: exchange, path or hop
    #[arg(long, value_name = "DETAIL", default_value = DETAILS[2], value_parser = DETAILS)]
    pub(crate) detail: String,

    /// Let the agent log what it does, and keep the logs
    #[arg(long)]
    pub(crate) debug: bool,

    /// Build with optimisations
    #[arg(long)]
    pub(crate) release: bool,
}

impl RunArgs {
    /// The nodes that they ask for.
    pub(crate) fn node_options(&self) -> NodeOptions {
        NodeOptions {
            wiring: self.wiring,
            proxy_mode: self.proxy_mode,
            overlay: self.overlay,
            ..NodeOptions::default()
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

/// The root half: what to run, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct LabArgs {
    /// The hopspan binary
    #[arg(long, value_name = "PATH")]
    pub(crate) hopspan: PathBuf,

    /// The hotrod binary
    #[arg(long, value_name = "PATH")]
    pub(crate) hotrod: PathBuf,

    /// As for `run`
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl LabArgs {
    /// The command line that parses to this.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let Self {
            hopspan,
            hotrod,
            run,
        } = self;
        let mut line = CommandLine::default();
        line.option("--hopspan", hopspan);
        line.option("--hotrod", hotrod);
        line.option("--requests", run.requests.to_string());
        line.option("--concurrency", run.concurrency.to_string());
        line.option("--nodes", run.nodes.to_string());
        line.option("--overlay", run.overlay.name());
        line.option("--wiring", run.wiring.name());
        line.option("--proxy-mode", run.proxy_mode.name());
        line.option("--services", run.services.to_string());
        line.option("--detail", &run.detail);
        line.option_if("--fault", run.fault.map(Fault::name));
        line.option_if("--json", run.json.as_ref());
        line.option_if("--otlp", run.otlp.as_ref());
        line.option_if("--width", run.width.map(|width| width.to_string()));
        line.option_if(
            "--waterfalls",
            run.waterfalls.map(|count| count.to_string()),
        );
        line.flag("--keep", run.keep);
        line.flag("--full", run.full);
        line.flag("--debug", run.debug);
        line.flag("--release", run.release);
        line.into_args()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        lab: LabArgs,
    }

    #[test]
    fn the_root_half_gets_what_the_user_said() {
        let cases: [&[&str]; 6] = [
            &[],
            &["--nodes", "3", "--overlay", "vxlan"],
            &[
                "--wiring",
                "routed",
                "--proxy-mode",
                "nftables",
                "--services",
                "5000",
            ],
            &[
                "--requests",
                "1000",
                "--concurrency",
                "8",
                "--keep",
                "--debug",
            ],
            &["--fault", "conntrack-full", "--detail", "path"],
            &[
                "--json",
                "a b.json",
                "--otlp",
                "http://h:4317",
                "--width",
                "80",
                "--waterfalls",
                "0",
                "--full",
                "--release",
            ],
        ];
        for case in cases {
            let binaries = ["xtask", "--hopspan", "/t/hopspan", "--hotrod", "/t/hotrod"];
            let first = Cli::try_parse_from(binaries.iter().chain(case))
                .unwrap()
                .lab;
            let again =
                Cli::try_parse_from([OsString::from("xtask")].into_iter().chain(first.to_args()))
                    .unwrap()
                    .lab;
            assert_eq!(first, again);
        }
    }

    #[test]
    fn what_the_lab_cannot_do_is_refused() {
        let binaries = ["xtask", "--hopspan", "/t/hopspan", "--hotrod", "/t/hotrod"];
        for bad in [
            ["--requests", "0"],
            ["--nodes", "0"],
            ["--nodes", "6"],
            ["--overlay", "geneve"],
            ["--services", "32769"],
            ["--wiring", "tokenring"],
            ["--proxy-mode", "ipvs"],
            ["--fault", "earthquake"],
            ["--detail", "packet"],
        ] {
            let parsed = Cli::try_parse_from(binaries.iter().chain(&bad));
            assert!(parsed.is_err(), "{bad:?}");
        }
    }
}
