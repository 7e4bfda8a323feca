//! One connection, and numbered requests on it.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::{http1, http2},
    header::HOST,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::{
    addresses::Addresses,
    request_number::{self, HEADER},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1, one request after the other
    H1,
    /// HTTP/2 with prior knowledge
    H2,
}

/// The arguments that `load` and `open` share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ClientArgs {
    /// The server, http://address:port
    #[arg(long)]
    pub(crate) url: Target,
    #[arg(long, value_enum)]
    pub(crate) protocol: Protocol,
    /// The number of the first request
    #[arg(long, default_value_t = 1)]
    pub(crate) first: u64,
}

/// A server, written `http://address:port`.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    address: SocketAddr,
}

impl Target {
    /// Opens a connection and sends nothing.
    pub(crate) async fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("connect to {}", self.address))?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        Ok(stream)
    }
}

impl std::str::FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{url} is no URL"))?;
        ensure!(
            uri.scheme_str() == Some("http") && uri.path() == "/",
            "{url} is not http://address:port"
        );
        let authority = uri.authority().context("the URL has no address")?;
        let address = authority.as_str().parse();
        Ok(Self {
            address: address.with_context(|| format!("{authority} is not address:port"))?,
        })
    }
}

/// Sends requests on an open connection.
pub(crate) enum Client {
    /// One at a time.
    H1(http1::SendRequest<Empty<Bytes>>),
    /// Clones send on the same connection.
    H2(http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    /// Starts the protocol on a connection.
    pub(crate) async fn on(stream: TcpStream, protocol: Protocol) -> anyhow::Result<Self> {
        let io = TokioIo::new(stream);
        match protocol {
            Protocol::H1 => {
                let (client, connection) = http1::handshake(io).await.context("begin HTTP/1.1")?;
                tokio::spawn(log_failure(connection));
                Ok(Self::H1(client))
            }
            Protocol::H2 => {
                let (client, connection) = http2::handshake(TokioExecutor::new(), io)
                    .await
                    .context("begin HTTP/2")?;
                tokio::spawn(log_failure(connection));
                Ok(Self::H2(client))
            }
        }
    }

    /// Another client on the same connection, where the protocol allows requests at the same time.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::H1(_) => None,
            Self::H2(client) => Some(Self::H2(client.clone())),
        }
    }

    /// Sends a request, waits for the whole response, and checks that it is the response to this
    /// request. Returns the addresses that the server sees.
    pub(crate) async fn exchange(
        &mut self,
        target: &Target,
        number: u64,
    ) -> anyhow::Result<Addresses> {
        let response = match self {
            Self::H1(client) => {
                let request = request(request_number::path(number), number)
                    .header(HOST, target.address.to_string())
                    .body(Empty::new())?;
                client.ready().await.context("the connection was closed")?;
                client.send_request(request).await
            }
            Self::H2(client) => {
                let url = format!("http://{}{}", target.address, request_number::path(number));
                let request = request(url, number).body(Empty::new())?;
                client.ready().await.context("the connection was closed")?;
                client.send_request(request).await
            }
        };
        let response = response.with_context(|| format!("send request {number}"))?;
        check(response, number).await
    }
}

fn request(url: String, number: u64) -> hyper::http::request::Builder {
    Request::get(url)
        .header("traceparent", request_number::traceparent(number))
        .header(HEADER, number)
}

async fn check(response: Response<Incoming>, number: u64) -> anyhow::Result<Addresses> {
    let status = response.status();
    let addresses = Addresses::read(response.headers());
    let id = response.headers().get(HEADER).cloned();
    let body = response.into_body().collect().await;
    body.with_context(|| format!("read the response to {number}"))?;
    if status != request_number::status(number) || id != Some(number.into()) {
        bail!("the response to {number} is {status} with id {id:?}");
    }
    addresses
}

async fn log_failure(connection: impl Future<Output = hyper::Result<()>>) {
    if let Err(error) = connection.await {
        eprintln!("a connection failed: {error}");
    }
}
