//! The address of the HTTP port, from the command line.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use tokio::net::TcpListener;

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

impl Listen {
    /// Listens; `None` for [`Self::Off`].
    ///
    /// # Errors
    ///
    /// When the port is taken or the address is not this machine's.
    pub(super) async fn bind(self) -> io::Result<Option<TcpListener>> {
        match self {
            Self::Off => Ok(None),
            Self::At(address) => TcpListener::bind(address).await.map(Some),
            Self::Everywhere(port) => everywhere(port).await.map(Some),
        }
    }
}

/// Listens with one socket for both families, or for IPv4 if the kernel lacks IPv6.
async fn everywhere(port: u16) -> io::Result<TcpListener> {
    let at = |address: IpAddr| TcpListener::bind(SocketAddr::new(address, port));
    match at(Ipv6Addr::UNSPECIFIED.into()).await {
        // EAFNOSUPPORT and EADDRNOTAVAIL: built without IPv6, or ipv6.disable=1.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
            ) =>
        {
            at(Ipv4Addr::UNSPECIFIED.into()).await
        }
        bound => bound,
    }
}

#[cfg(test)]
mod tests {
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
        let listener = Listen::Everywhere(0).bind().await.unwrap().unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .unwrap();
        assert!(Listen::Off.bind().await.unwrap().is_none());
    }
}
