//! Who may watch: the argument of `--watch`.

/// From where exchanges may be watched over TCP. A unix socket is an option of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WatchFrom {
    /// From nowhere.
    #[value(name = "off")]
    Nowhere,
    /// From this machine, at a loopback address.
    Loopback,
    /// From everywhere, with the token of --metrics-token.
    Everywhere,
}
