//! The address of the HTTP port, from the command line.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    net::{TcpListener, TcpSocket},
    time::sleep,
};

/// The argument of --listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Do not listen.
    Off,
    /// This port on every address of the machine, IPv6 and IPv4.
    Everywhere(u16),
    /// This address and port.
    At(SocketAddr),
}

/// The argument is none of `off`, a port, and an address with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a port, nor ADDRESS:PORT, nor off")]
pub struct NotAListenAddress(String);

impl FromStr for Listen {
    type Err = NotAListenAddress;

    fn from_str(text: &str) -> Result<Self, NotAListenAddress> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Ok(port) = text.parse() {
            return Ok(Self::Everywhere(port));
        }
        let address = text.parse().map(Self::At);
        address.map_err(|_| NotAListenAddress(text.to_owned()))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("no port"),
            Self::Everywhere(port) => write!(f, "port {port}"),
            Self::At(address) => write!(f, "{address}"),
        }
    }
}

/// The kernel's buffers of a connection, which are inherited from the listener and hold a head and a
/// part of a response. Without these limits the kernel lets them grow to megabytes.
const RECEIVE_BUFFER_BYTES: u32 = 32 << 10;
const SEND_BUFFER_BYTES: u32 = 128 << 10;
/// Connections that the kernel completes before they are accepted: with the limit of accepts a wait
/// of a quarter of a second.
const BACKLOG: u32 = 512;
/// How often a port is tried that is taken.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// A place, and the socket unless its port was taken.
#[derive(Debug)]
pub(super) struct Listener {
    place: Listen,
    bound: Option<TcpListener>,
}

impl Listen {
    /// Listens; `None` for [`Self::Off`]. The port may be taken: see [`Listener::bound`].
    ///
    /// # Errors
    ///
    /// When the address is not this machine's, or may not be used.
    pub(super) fn bind(self) -> anyhow::Result<Option<Listener>> {
        if self == Self::Off {
            return Ok(None);
        }
        let bound = match self.socket() {
            Ok(listener) => Some(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                tracing::warn!(
                    "{self} for health and metrics is taken, by another hopspan or another process: it is tried again each second; choose another place with --listen, or --listen off"
                );
                None
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("listen on {self} for health and metrics: choose another place with --listen, or --listen off")
                });
            }
        };
        Ok(Some(Listener { place: self, bound }))
    }

    fn socket(self) -> io::Result<TcpListener> {
        match self {
            Self::Off => Err(ErrorKind::AddrNotAvailable.into()),
            Self::At(address) => at(address),
            Self::Everywhere(port) => everywhere(port),
        }
    }
}

impl Listener {
    /// The socket, as soon as the port is free.
    pub(super) async fn bound(self) -> TcpListener {
        if let Some(listener) = self.bound {
            return listener;
        }
        loop {
            sleep(TRY_AGAIN).await;
            if let Ok(listener) = self.place.socket() {
                tracing::info!("listening on {} for health and metrics", self.place);
                return listener;
            }
        }
    }
}

/// Listens with one socket for both families, or for IPv4 if the kernel lacks IPv6.
fn everywhere(port: u16) -> io::Result<TcpListener> {
    let at = |address: IpAddr| at(SocketAddr::new(address, port));
    match at(Ipv6Addr::UNSPECIFIED.into()) {
        // EAFNOSUPPORT and EADDRNOTAVAIL: built without IPv6, or ipv6.disable=1.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
            ) =>
        {
            at(Ipv4Addr::UNSPECIFIED.into())
        }
        bound => bound,
    }
}

fn at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections of an agent that has ended may be in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[test]
    fn a_port_an_address_or_off() {
        let check = |text: &str, expected: Option<Listen>| {
            assert_eq!(text.parse().ok(), expected, "{text}");
        };
        check("off", Some(Listen::Off));
        check("9464", Some(Listen::Everywhere(9464)));
        let at = |address: &str| address.parse().ok().map(Listen::At);
        check("127.0.0.1:9464", at("127.0.0.1:9464"));
        check("[::1]:80", at("[::1]:80"));
        for wrong in ["", "on", "70000", "localhost:80", ":9464", "127.0.0.1"] {
            check(wrong, None);
        }
        let error = "on".parse::<Listen>().unwrap_err().to_string();
        assert_eq!(error, "\"on\" is neither a port, nor ADDRESS:PORT, nor off");
    }

    #[tokio::test]
    async fn both_families_reach_a_port_everywhere() {
        let listener = Listen::Everywhere(0).bind().unwrap().unwrap();
        let listener = listener.bound.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        assert!(Listen::Off.bind().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_taken_port_is_taken_over_when_it_is_free() {
        let first = at((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let second = Listen::At(address).bind().unwrap().unwrap();
        assert!(second.bound.is_none());
        drop(first);
        assert_eq!(second.bound().await.local_addr().unwrap(), address);
        let foreign = Listen::At("192.0.2.1:80".parse().unwrap());
        assert!(foreign.bind().is_err());
    }
}
