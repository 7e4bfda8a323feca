//! Whether a server can be reached, decided in seconds: a machine without a network must not hang
//! in a download. In: a server's address. Out: yes or no. Downloads nothing.

use std::env;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A server that answers at all answers within this.
const LIMIT: Duration = Duration::from_secs(4);

/// Whether `server`, an https URL, takes connections. Behind a proxy it is taken for reachable:
/// only the client knows.
pub(crate) fn is_reachable(server: &str) -> bool {
    let proxies = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    if proxies
        .iter()
        .any(|name| env::var_os(name).is_some_and(|proxy| !proxy.is_empty()))
    {
        return true;
    }
    let Some(address) = address(server) else {
        return false;
    };
    // A name server that does not answer cannot be given a limit, so it gets a thread that is left
    // behind.
    let (answer, answers) = mpsc::channel();
    thread::spawn(move || {
        let connects = address.to_socket_addrs().into_iter().flatten().take(2);
        let reachable = connects
            .into_iter()
            .any(|socket| TcpStream::connect_timeout(&socket, LIMIT / 2).is_ok());
        // Nobody waits any more when the limit is over.
        let _ = answer.send(reachable);
    });
    answers.recv_timeout(LIMIT).unwrap_or(false)
}

/// `host:port` of a URL, by RFC 3986 section 3.2.
fn address(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority
        .rsplit('@')
        .next()
        .filter(|host| !host.is_empty())?;
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if scheme == "http" { 80 } else { 443 };
    Some(if has_port {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_address_in_a_url() {
        let cases = [
            (
                "https://static.rust-lang.org",
                Some("static.rust-lang.org:443"),
            ),
            (
                "https://mirror.example:8443/rustup",
                Some("mirror.example:8443"),
            ),
            (
                "http://user:secret@mirror.example/x",
                Some("mirror.example:80"),
            ),
            ("https://[::1]:8443/", Some("[::1]:8443")),
            ("https://[::1]/", Some("[::1]:443")),
            ("static.rust-lang.org", None),
            ("https://", None),
        ];
        for (url, expected) in cases {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_server_is_reachable_while_it_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert!(is_reachable(&url));
        drop(listener);
        // A proxy in the environment of the test run makes every server count as reachable.
        if env::vars().all(|(name, _)| !name.to_lowercase().ends_with("_proxy")) {
            assert!(!is_reachable(&url));
        }
    }
}
