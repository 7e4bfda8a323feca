//! A pool of HTTP/1.1 keep-alive connections to one service. In: requests without body. Out: whole
//! responses. Knows no span, and never sends a request again.
//!
//! It is simple on purpose: a call takes an idle connection, and opens one only when there is none,
//! so each call without an idle connection has exactly one handshake.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::addresses::SocketAddresses;
use crate::upstream::Upstream;

/// Idle connections kept; a connection returned to a full pool is closed. A dispatch uses three, so
/// this is enough for 85 dispatches at a time.
const MAX_IDLE: usize = 256;

/// The kernel repeats a lost SYN after 1, 3 and 7 s: three losses are survived.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From sending a request until its whole response is read.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Every response of this application is far smaller.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The connections of this process to one service.
#[derive(Debug)]
pub(crate) struct Pool {
    upstream: Upstream,
    idle: Mutex<Vec<Connection>>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("connect to {upstream}")]
    Connect {
        upstream: Upstream,
        source: io::Error,
    },
    #[error("speak HTTP with {upstream}")]
    Http {
        upstream: Upstream,
        source: hyper::Error,
    },
    #[error("read the response of {upstream}")]
    Body {
        upstream: Upstream,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{upstream} did not answer within {after:?}")]
    Timeout { upstream: Upstream, after: Duration },
}

impl Pool {
    /// A pool with no connection yet.
    pub(crate) fn new(upstream: Upstream) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The service at the other end.
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The right to one connection, which is taken from the pool or opened at its first use.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        Lease {
            pool: Arc::clone(self),
            held: None,
        }
    }

    async fn take_or_open(&self) -> Result<Connection, PoolError> {
        while let Some(mut connection) = self.pop_idle() {
            if connection.is_alive().await {
                return Ok(connection);
            }
        }
        self.open().await
    }

    async fn open(&self) -> Result<Connection, PoolError> {
        let connecting = |source| PoolError::Connect {
            upstream: self.upstream.clone(),
            source,
        };
        let stream = timeout(CONNECT_TIMEOUT, self.upstream.connect())
            .await
            .map_err(|_| self.timed_out(CONNECT_TIMEOUT))?
            .map_err(connecting)?;
        let addresses = SocketAddresses::of(&stream).map_err(connecting)?;
        let (sender, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(|source| self.http_error(source))?;
        tokio::spawn(async move {
            // An error also fails the request in progress, which reports it.
            if let Err(error) = driver.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(Connection { sender, addresses })
    }

    /// The connection used last, which its peer is least likely to have closed.
    fn pop_idle(&self) -> Option<Connection> {
        self.lock_idle().pop()
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.lock_idle();
        if idle.len() < MAX_IDLE && !connection.sender.is_closed() {
            idle.push(connection);
        }
    }

    /// A panic in another thread cannot leave the list half-changed.
    fn lock_idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn http_error(&self, source: hyper::Error) -> PoolError {
        PoolError::Http {
            upstream: self.upstream.clone(),
            source,
        }
    }

    fn timed_out(&self, after: Duration) -> PoolError {
        PoolError::Timeout {
            upstream: self.upstream.clone(),
            after,
        }
    }
}

/// One caller's connection: kept between calls, returned to the pool when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    held: Option<Connection>,
}

impl Lease {
    /// The service at the other end.
    pub(crate) fn upstream(&self) -> &Upstream {
        self.pool.upstream()
    }

    /// Sends `request` over a live connection (the held one, else an idle one, else a new one) and
    /// reads the whole response. `connected` gets the connection's addresses before anything is
    /// sent. The connection is kept only after the body was read to its end; any error closes it.
    ///
    /// # Errors
    /// Each [`PoolError`]. The service may have received the request all the same.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Empty<Bytes>>,
        connected: impl FnOnce(SocketAddresses),
    ) -> Result<Response<Bytes>, PoolError> {
        // It is held again only after success: an error, or dropping this future, closes it.
        let mut connection = self.live_connection().await?;
        connected(connection.addresses);
        let response = timeout(RESPONSE_TIMEOUT, connection.exchange(request, &self.pool))
            .await
            .map_err(|_| self.pool.timed_out(RESPONSE_TIMEOUT))??;
        self.held = Some(connection);
        Ok(response)
    }

    async fn live_connection(&mut self) -> Result<Connection, PoolError> {
        if let Some(mut connection) = self.held.take()
            && connection.is_alive().await
        {
            return Ok(connection);
        }
        self.pool.take_or_open().await
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.held.take() {
            self.pool.put_back(connection);
        }
    }
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    addresses: SocketAddresses,
}

impl Connection {
    /// False when the peer has closed the connection. It may still close it before the next
    /// request.
    async fn is_alive(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    async fn exchange(
        &mut self,
        request: Request<Empty<Bytes>>,
        pool: &Pool,
    ) -> Result<Response<Bytes>, PoolError> {
        let response = self
            .sender
            .send_request(request)
            .await
            .map_err(|source| pool.http_error(source))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES)
            .collect()
            .await
            .map_err(|source| PoolError::Body {
                upstream: pool.upstream.clone(),
                source,
            })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn listen() -> (TcpListener, Arc<Pool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        (listener, Pool::new(upstream))
    }

    async fn answer(stream: &mut TcpStream, response: &str) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(response.as_bytes()).await.unwrap();
    }

    fn get(pool: &Pool) -> Request<Empty<Bytes>> {
        Request::get("/")
            .header("host", pool.upstream().authority())
            .body(Empty::new())
            .unwrap()
    }

    const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

    /// One call on `lease`: the local port and the result.
    async fn call(lease: &mut Lease) -> (u16, Result<Response<Bytes>, PoolError>) {
        let mut port = 0;
        let request = get(&lease.pool);
        let result = lease
            .exchange(request, |addresses| port = addresses.local.port())
            .await;
        (port, result)
    }

    #[tokio::test]
    async fn a_returned_connection_is_used_again() {
        let (listener, pool) = listen().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer(&mut stream, HELLO).await;
            answer(&mut stream, HELLO).await;
        });
        let (first_port, first) = call(&mut pool.lease()).await;
        let (second_port, second) = call(&mut pool.lease()).await;
        assert_eq!(first.unwrap().into_body(), "hello");
        assert_eq!(second.unwrap().into_body(), "hello");
        assert_eq!(first_port, second_port);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_lease_keeps_its_connection_and_shares_it_with_no_other() {
        let (listener, pool) = listen().await;
        let server = tokio::spawn(async move {
            let (mut left, _) = listener.accept().await.unwrap();
            answer(&mut left, HELLO).await;
            let (mut right, _) = listener.accept().await.unwrap();
            answer(&mut right, HELLO).await;
            answer(&mut left, HELLO).await;
        });
        let (mut left, mut right) = (pool.lease(), pool.lease());
        let (left_port, _) = call(&mut left).await;
        let (right_port, _) = call(&mut right).await;
        assert_ne!(left_port, right_port);
        let (again_port, again) = call(&mut left).await;
        assert_eq!(again.unwrap().into_body(), "hello");
        assert_eq!(left_port, again_port);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_that_the_peer_closed_is_replaced() {
        let (listener, pool) = listen().await;
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                answer(&mut stream, HELLO).await;
            }
        });
        let (first_port, first) = call(&mut pool.lease()).await;
        assert_eq!(first.unwrap().into_body(), "hello");
        // The server closes after its response; wait until the pool's connection has noticed.
        timeout(Duration::from_secs(5), async {
            while pool
                .lock_idle()
                .iter()
                .any(|connection| !connection.sender.is_closed())
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
        let (second_port, second) = call(&mut pool.lease()).await;
        assert_eq!(second.unwrap().into_body(), "hello");
        assert_ne!(first_port, second_port);
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_with_half_a_response_is_not_returned() {
        let (listener, pool) = listen().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer(
                &mut stream,
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel",
            )
            .await;
        });
        let (_, result) = call(&mut pool.lease()).await;
        assert!(matches!(result, Err(PoolError::Body { .. })), "{result:?}");
        assert!(pool.lock_idle().is_empty());
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_connection_is_a_connect_error() {
        let (listener, pool) = listen().await;
        drop(listener);
        let (_, result) = call(&mut pool.lease()).await;
        assert!(
            matches!(result, Err(PoolError::Connect { .. })),
            "{result:?}"
        );
    }
}
