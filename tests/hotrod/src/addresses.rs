//! The two ends of a TCP connection. In: a socket. Out: the `network.*` attributes of the semantic
//! conventions.

use std::io;
use std::net::SocketAddr;

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute::{
    NETWORK_LOCAL_ADDRESS, NETWORK_LOCAL_PORT, NETWORK_PEER_ADDRESS, NETWORK_PEER_PORT,
};
use tokio::net::TcpStream;

/// Both addresses as this process's socket sees them: behind a ClusterIP the client's peer is the
/// ClusterIP, not the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketAddresses {
    /// `getsockname(2)`: two calls with the same port shared a connection.
    pub(crate) local: SocketAddr,
    /// `getpeername(2)`.
    pub(crate) peer: SocketAddr,
}

impl SocketAddresses {
    /// Reads both from a connected socket.
    ///
    /// # Errors
    /// Those of `getsockname` and `getpeername`: `ENOTCONN` when the peer has reset the connection.
    pub(crate) fn of(stream: &TcpStream) -> io::Result<Self> {
        Ok(Self {
            local: stream.local_addr()?,
            peer: stream.peer_addr()?,
        })
    }

    /// `network.local.*` and `network.peer.*`.
    pub(crate) fn attributes(self) -> [KeyValue; 4] {
        [
            KeyValue::new(NETWORK_LOCAL_ADDRESS, self.local.ip().to_string()),
            KeyValue::new(NETWORK_LOCAL_PORT, i64::from(self.local.port())),
            KeyValue::new(NETWORK_PEER_ADDRESS, self.peer.ip().to_string()),
            KeyValue::new(NETWORK_PEER_PORT, i64::from(self.peer.port())),
        ]
    }
}
