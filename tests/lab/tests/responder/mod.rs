//! A TCP server in a pod whose answer is the pod's name and the client's address. It has no
//! process: its socket is made in the pod, and a thread of the test serves it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use hopspan_lab::Pod;
use hopspan_lab::kube_proxy::{Family, Service};
use nix::sys::socket::{Shutdown, shutdown};

/// Longer than any answer on one machine takes, shorter than the time until TCP sends a SYN for the
/// third time.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// Answers each connection until it is dropped.
pub(crate) struct Responder(TcpListener);

/// Starts a responder on the addresses of both families.
pub(crate) fn serve(pod: &Pod, port: u16) -> Responder {
    let listener = pod
        .within(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))
        .unwrap()
        .unwrap();
    let accepting = listener.try_clone().unwrap();
    let name = pod.name().to_owned();
    std::thread::spawn(move || {
        while let Ok((mut stream, peer)) = accepting.accept() {
            // A client may have closed its connection.
            let _ = write!(stream, "{name} {}", peer.ip().to_canonical());
        }
    });
    Responder(listener)
}

impl Drop for Responder {
    fn drop(&mut self) {
        // Makes accept return an error.
        shutdown(self.0.as_raw_fd(), Shutdown::Both).unwrap();
    }
}

/// Connects from the calling thread's namespace. Returns the pod's name, and the client's address
/// as the pod saw it.
pub(crate) fn request(address: SocketAddr) -> std::io::Result<(String, String)> {
    request_within(address, TIMEOUT)
}

/// The same, with another limit for the connection to open.
pub(crate) fn request_within(
    address: SocketAddr,
    connect: Duration,
) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, connect)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    assert_eq!(stream.peer_addr()?, address);
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (name, client) = text.split_once(' ').unwrap();
    Ok((name.into(), client.into()))
}

/// A service on 10.96.0.`host`:80 for these pods' port 8080.
pub(crate) fn service(name: &str, host: u8, pods: &[&Pod]) -> Service {
    service_of(Family::V4, name, host, pods)
}

/// The same on fd00:10:96::`host` for IPv6.
pub(crate) fn service_of(family: Family, name: &str, host: u8, pods: &[&Pod]) -> Service {
    let ip = match family {
        Family::V4 => IpAddr::from(Ipv4Addr::new(10, 96, 0, host)),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, host.into()).into(),
    };
    Service {
        port_name: Some("http".into()),
        endpoints: pods
            .iter()
            .map(|pod| SocketAddr::new(pod.ip_in(family), 8080))
            .collect(),
        ..Service::new("default", name, SocketAddr::new(ip, 80))
    }
}
