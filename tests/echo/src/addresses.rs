//! The two addresses of a connection as its server sees them, after every translation on the way:
//! the truth against which a tracer's translations are checked.

use std::net::SocketAddr;

use anyhow::Context;
use hyper::{HeaderMap, header::HeaderValue};

const SERVER: &str = "x-server";
const CLIENT: &str = "x-client";

/// The addresses of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The server's socket.
    pub(crate) server: SocketAddr,
    /// The client, or the node that masquerades it.
    pub(crate) client: SocketAddr,
}

impl Addresses {
    /// Adds them to a response.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        for (name, address) in [(SERVER, self.server), (CLIENT, self.client)] {
            // Every character of an address is allowed in a header.
            if let Ok(value) = HeaderValue::from_str(&plain(address).to_string()) {
                headers.insert(name, value);
            }
        }
    }

    /// Reads them from a response.
    pub(crate) fn read(headers: &HeaderMap) -> anyhow::Result<Self> {
        let address = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            let address = value.and_then(|value| value.parse().ok());
            address.with_context(|| format!("the response has no {name} that is an address"))
        };
        Ok(Self {
            server: address(SERVER)?,
            client: address(CLIENT)?,
        })
    }
}

/// A mapped address, which an IPv6 socket has for an IPv4 client, as the IPv4 address.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_written() {
        let addresses = |server: &str, client: &str| Addresses {
            server: server.parse().unwrap(),
            client: client.parse().unwrap(),
        };
        for (written, read) in [
            (
                addresses("10.0.0.1:80", "10.0.0.2:81"),
                addresses("10.0.0.1:80", "10.0.0.2:81"),
            ),
            (
                addresses("[fd00::1]:80", "[fd00::2]:81"),
                addresses("[fd00::1]:80", "[fd00::2]:81"),
            ),
            (
                addresses("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:81"),
                addresses("10.0.0.1:80", "10.0.0.2:81"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            written.write(&mut headers);
            assert_eq!(Addresses::read(&headers).unwrap(), read);
        }
        assert!(Addresses::read(&HeaderMap::new()).is_err());
    }
}
