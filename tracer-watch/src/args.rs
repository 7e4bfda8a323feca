//! The command line of `hopspan watch`. In: flags. Out: where the agent is, and the query for it.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

/// Show the exchanges of a running agent as they happen
///
/// On a terminal it fills the screen (`?` shows the keys), elsewhere it prints a line for each. It
/// reads from the agent and attaches nothing. Filters run in the agent. Exit status: 0 when the
/// watching ends, 1 if the agent cannot be reached at first or refuses, 2 for a wrong command line.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where the agent is: ADDRESS:PORT of its --listen, or the path of its --watch-socket
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:9464")]
    pub agent: Place,

    /// Only calls to this service: NAME or NAMESPACE/NAME; may be given several times
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,

    /// Only exchanges with a pod whose name is or begins with NAME, at either end; NAMESPACE/NAME and
    /// the pod's address, too; may be given several times
    #[arg(long, value_name = "NAME")]
    pub pod: Vec<String>,

    /// Only exchanges that took at least DURATION, as in 5ms or 1.5s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub min_duration: Option<Duration>,

    /// Only what failed: a connect, a stream or connection that ended early, a gRPC status other
    /// than OK, an HTTP status from 400, a request that the kernel dropped
    #[arg(long)]
    pub errors: bool,

    /// Only the exchanges of one trace
    #[arg(long, value_name = "ID")]
    pub trace_id: Option<String>,

    /// Also exchanges without a sampled trace context, at most 500 a second
    ///
    /// While one watches so, the kernel programs follow some of the requests that they leave out
    /// otherwise. No spans of them are exported.
    #[arg(long)]
    pub untraced: bool,

    /// Print a line for each exchange, on a terminal too
    #[arg(long, conflicts_with = "json")]
    pub plain: bool,

    /// Print what the agent sends: a JSON object a line. docs/watch.md has the fields
    #[arg(long)]
    pub json: bool,

    /// Print this many exchanges, and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Cells in a line [default: the terminal's width, or 100]
    #[arg(long, value_name = "CELLS", value_parser = clap::value_parser!(u16).range(60..=1000))]
    pub width: Option<u16>,

    /// The file with the token of the agent's --metrics-token
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
}

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At an address, as `localhost:9464`.
    Tcp(String),
    /// At a unix socket.
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.contains('/') {
            true => Self::Unix(text.into()),
            false => Self::Tcp(match text.parse::<u16>() {
                Ok(port) => format!("127.0.0.1:{port}"),
                Err(_) => text.to_owned(),
            }),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Place {
    /// The value of the header Host.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Tcp(address) => address.clone(),
            Self::Unix(_) => SocketAddr::from(([127, 0, 0, 1], 0)).to_string(),
        }
    }
}

impl Args {
    /// The query for the agent.
    pub(crate) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for service in &self.service {
            query.append_pair("service", service);
        }
        for pod in &self.pod {
            query.append_pair("pod", pod);
        }
        if let Some(min) = self.min_duration {
            query.append_pair("min_duration_ns", &min.as_nanos().to_string());
        }
        if self.errors {
            query.append_pair("errors", "true");
        }
        if let Some(trace_id) = &self.trace_id {
            query.append_pair("trace_id", trace_id);
        }
        if self.untraced {
            query.append_pair("untraced", "true");
        }
        query.finish()
    }

    /// The filters as a person reads them; empty for none. `--untraced` shows more and not less.
    pub(crate) fn filters(&self) -> String {
        let mut filters: Vec<String> = Vec::new();
        filters.extend(self.service.iter().map(|name| format!("service {name}")));
        filters.extend(self.pod.iter().map(|name| format!("pod {name}")));
        filters.extend(self.min_duration.map(|min| format!("from {min:?}")));
        filters.extend(self.errors.then(|| "errors".to_owned()));
        filters.extend(self.trace_id.iter().map(|id| format!("trace {id}")));
        filters.join(", ")
    }
}

/// Parses `250us`, `5ms` or `1.5s`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    parsed
        .and_then(Duration::try_from)
        .map_err(|error| format!("{error}; expected a duration such as 5ms"))
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    /// The arguments of a command line.
    pub(crate) fn parse(line: &str) -> Result<Args, clap::Error> {
        let words = std::iter::once("watch").chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.args)
    }

    #[test]
    fn filters_become_a_query() {
        let check = |line: &str, query: &str| {
            assert_eq!(parse(line).unwrap().query(), query, "{line}");
        };
        check("", "");
        check("--errors --untraced", "errors=true&untraced=true");
        check("--service a/b --service c", "service=a%2Fb&service=c");
        check(
            "--min-duration 1.5ms --pod p",
            "pod=p&min_duration_ns=1500000",
        );
        assert!(parse("--json --plain").is_err());
        assert!(parse("--count 0").is_err());
    }

    #[test]
    fn durations_have_a_unit() {
        let check = |text: &str, expected: Option<u128>| {
            assert_eq!(
                duration(text).ok().map(|d| d.as_nanos()),
                expected,
                "{text}"
            );
        };
        check("250us", Some(250_000));
        check("5ms", Some(5_000_000));
        check("1.5s", Some(1_500_000_000));
        check("2m", Some(120_000_000_000));
        for wrong in ["", "5", "ms", "-5ms", "5 parsecs", "1e400s", "..5s"] {
            check(wrong, None);
        }
    }

    #[test]
    fn an_agent_is_at_an_address_or_a_path() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert_eq!(place("9464"), Place::Tcp("127.0.0.1:9464".into()));
        assert_eq!(place("[::1]:9464"), Place::Tcp("[::1]:9464".into()));
        assert_eq!(
            place("/run/hopspan.sock"),
            Place::Unix("/run/hopspan.sock".into())
        );
    }
}
