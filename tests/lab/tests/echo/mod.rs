//! A TCP echo of who was asked by whom, without a process: its socket is made in the pod and served from here.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use hopspan_lab::Pod;
use hopspan_lab::kube_proxy::{Protocol, Service};
use nix::sys::socket::{Shutdown, shutdown};

/// More than any answer on one machine takes, less than a TCP SYN is retried twice.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until dropped: each connection is sent the pod's name and the client's address.
pub(crate) struct Echo(TcpListener);

pub(crate) fn serve(pod: &Pod, port: u16) -> Echo {
    let listener = pod
        .within(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
        .unwrap()
        .unwrap();
    let accepting = listener.try_clone().unwrap();
    let name = pod.name().to_owned();
    std::thread::spawn(move || {
        while let Ok((mut stream, peer)) = accepting.accept() {
            // A client that went away is its own business.
            let _ = write!(stream, "{name} {}", peer.ip());
        }
    });
    Echo(listener)
}

impl Drop for Echo {
    fn drop(&mut self) {
        // Wakes accept with an error.
        shutdown(self.0.as_raw_fd(), Shutdown::Both).unwrap();
    }
}

/// Connects from where it is called and returns (pod name, client address as the pod saw it).
pub(crate) fn ask(address: SocketAddrV4) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address.into(), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    assert_eq!(stream.peer_addr()?, SocketAddr::V4(address));
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (name, client) = text.split_once(' ').unwrap();
    Ok((name.into(), client.into()))
}

/// A service on 10.96.0.`host`:80 for these pods' port 8080.
pub(crate) fn service(name: &str, host: u8, pods: &[&Pod]) -> Service {
    Service {
        namespace: "default".into(),
        name: name.into(),
        port_name: Some("http".into()),
        protocol: Protocol::Tcp,
        cluster_ip: Ipv4Addr::new(10, 96, 0, host),
        port: 80,
        endpoints: pods
            .iter()
            .map(|pod| SocketAddrV4::new(pod.ip(), 8080))
            .collect(),
    }
}
