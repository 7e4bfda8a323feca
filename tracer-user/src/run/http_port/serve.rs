//! Accepts connections to the HTTP port and serves them within bounds.
//!
//! In: a listening socket and a router. Out: responses. Every client may be hostile: connections,
//! their rate, heads, and the time of each step are bounded, so that a flood costs little memory and
//! little time.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};
use tower::ServiceExt as _;

use super::{
    connections::{Connections, MAX_CONNECTIONS},
    timed_writes::TimedWrites,
};
use crate::run::status::Status;

/// The time for the first head of a connection.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// The time from a response to the end of the next head: longer than between two scrapes.
const NEXT_HEAD: Duration = Duration::from_secs(300);
/// The time for a response to leave: Prometheus gives a scrape up after it, too.
const RESPONSE: Duration = Duration::from_secs(10);
/// The bound of a head, and of what is read ahead.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// Connections accepted per second; the others wait in the kernel's queue or are refused there.
const ACCEPTS_PER_SECOND: u32 = 2000;
/// Open sockets, with those that a newer connection has displaced and that are about to close.
const MAX_OPEN: usize = 2 * MAX_CONNECTIONS;
/// The pause after accept(2) fails, as it does without free descriptors.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Connections to the unix socket, whose clients may all do what the agent does.
const MAX_UNIX: usize = 16;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The addresses at both ends of its connection.
    Tcp { client: IpAddr, server: IpAddr },
    /// The unix socket, which has checked who it is.
    Unix,
}

/// Serves until the process ends.
pub(super) async fn serve(listener: TcpListener, router: Router, status: &Status) {
    let connections = Connections::default();
    let open = Arc::new(Semaphore::new(MAX_OPEN));
    let mut rate = Rate::new(Instant::now());
    let mut failed = false;
    loop {
        rate.wait().await;
        // Fails only when the semaphore is closed, which it never is.
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, client)) => {
                let mut admitted = connections.admit(client.ip());
                if admitted.has_displaced {
                    status.connection_displaced();
                }
                let Ok(server) = stream.local_addr() else {
                    continue;
                };
                let peer = Peer::Tcp {
                    client: client.ip(),
                    server: server.ip(),
                };
                let router = router.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = connection(stream, peer, router) => {}
                        _ = &mut admitted.closed => {}
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                if !std::mem::replace(&mut failed, true) {
                    tracing::warn!("connections to the HTTP port are not accepted: {error}");
                }
                sleep(AFTER_ERROR).await;
            }
        }
    }
}

/// Serves root, and the user of this process, until the process ends.
pub(super) async fn serve_unix(listener: UnixListener, router: Router) {
    let open = Arc::new(Semaphore::new(MAX_UNIX));
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) if may_ask(&stream) => {
                let router = router.clone();
                tokio::spawn(async move {
                    connection(stream, Peer::Unix, router).await;
                    drop(permit);
                });
            }
            Ok(_) => {}
            Err(_) => sleep(AFTER_ERROR).await,
        }
    }
}

/// Whether the process at the other end may do what the agent does. Its mode keeps others from the
/// socket too, from the moment on that it is set.
fn may_ask(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    let cred = stream.peer_cred();
    cred.is_ok_and(|cred| cred.uid() == 0 || cred.uid() == own)
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, router: Router) {
    let asked = Arc::new(AtomicBool::new(false));
    let has_asked = Arc::clone(&asked);
    let stream = TimedWrites::new(stream, RESPONSE);
    let lifted = stream.lifted();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(lifted.clone());
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(NEXT_HEAD)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let without_head = async {
        sleep(FIRST_HEAD).await;
        if has_asked.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // An error is the client's: it closed, or exceeded a bound.
        _ = served => {}
        () = without_head => {}
    }
}

/// Spaces accepts: a burst of a quarter of a second's worth, then one at a time.
struct Rate {
    /// When all accepts so far are paid for.
    paid: Instant,
}

impl Rate {
    const BURST: Duration = Duration::from_millis(250);

    fn new(now: Instant) -> Self {
        Self { paid: now }
    }

    async fn wait(&mut self) {
        let now = Instant::now();
        self.paid = self.paid.max(now) + Duration::from_secs(1) / ACCEPTS_PER_SECOND;
        if self.paid > now + Self::BURST {
            sleep_until(self.paid - Self::BURST).await;
        }
    }
}
