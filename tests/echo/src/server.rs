//! The server: it derives status, `x-id` and body of a response from the request, and puts both
//! addresses of the connection, as the server sees them, into headers.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode, body::Incoming, header::HeaderValue, service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::{TcpSocket, TcpStream},
    signal::unix::{SignalKind, signal},
};

use crate::{
    addresses::Addresses,
    request_number::{self, HEADER},
};

/// Connections that may wait for accept(2); fewer where net.core.somaxconn is lower.
const BACKLOG: u32 = 4096;
/// The wait after accept(2) has failed, most likely for lack of descriptors.
const ACCEPT_WAIT: Duration = Duration::from_millis(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address to listen on
    #[arg(long)]
    listen: SocketAddr,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let socket = match args.listen {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        // With `[::]` it accepts IPv4 too, with mapped addresses.
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.context("make a socket")?;
    socket.set_reuseaddr(true).context("set SO_REUSEADDR")?;
    let listening = |error| format!("listen on {}: {error}", args.listen);
    socket
        .bind(args.listen)
        .map_err(|error| anyhow::anyhow!(listening(error)))?;
    let listener = socket
        .listen(BACKLOG)
        .map_err(|error| anyhow::anyhow!(listening(error)))?;
    eprintln!("listening on {}", args.listen);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(serve(stream));
                }
                Err(error) => {
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_WAIT).await;
                }
            },
            _ = terminate.recv() => return Ok(()),
        }
    }
}

async fn serve(stream: TcpStream) {
    // Otherwise a small response waits for the acknowledgement of the response before.
    let _ = stream.set_nodelay(true);
    let addresses = match (stream.local_addr(), stream.peer_addr()) {
        (Ok(server), Ok(client)) => Addresses { server, client },
        // The client has closed it already.
        _ => return,
    };
    let answer = service_fn(move |request| async move { answer(&request, addresses) });
    let served = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        eprintln!("a connection failed: {error}");
    }
}

fn answer(
    request: &Request<Incoming>,
    addresses: Addresses,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = request_number::of_path(request.uri().path());
    let id = request.headers().get(HEADER);
    let (Some(number), Some(id)) = (number, id) else {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    };
    let status = request_number::status(number);
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    let body = has_body.then(|| Bytes::copy_from_slice(id.as_bytes()));
    let id: HeaderValue = id.clone();
    let mut response = Response::new(Full::new(body.unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(HEADER, id);
    addresses.write(response.headers_mut());
    Ok(response)
}
