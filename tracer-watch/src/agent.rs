//! The connection to the agent.
//!
//! In: where it is, and a query. Out: its lines, and when they stop why. Where an agent has answered
//! once, the connection is opened again for as long as it takes: an agent may be replaced.

use std::{io, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::mpsc::Sender,
    time::{sleep, timeout},
};
use tracer_view::text::Text;

use crate::{
    args::{Args, Place},
    event::{Event, MAX_LINE_BYTES},
};

/// How long the agent may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// The agent sends a line each second: without one for so long it is gone.
const SILENCE: Duration = Duration::from_secs(5);
/// The pause before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// What is read of a refusal.
const MAX_REFUSAL_BYTES: usize = 1024;

/// What comes from the agent.
#[derive(Debug)]
pub(crate) enum Update {
    /// A line, and what it is.
    Line(Event, Bytes),
    /// The agent is gone, for this reason. It is tried again.
    Lost(String),
}

/// The lines of one response.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    read: BytesMut,
}

/// Opens a connection, and asks for exchanges.
///
/// # Errors
///
/// When the agent cannot be reached, or refuses.
pub(crate) async fn open(args: &Args) -> anyhow::Result<Lines> {
    let place = &args.agent;
    let answer = async {
        match place {
            Place::Tcp(address) => ask(TcpStream::connect(address).await?, args).await,
            Place::Unix(path) => ask(UnixStream::connect(path).await?, args).await,
        }
    };
    let answer = match timeout(ANSWER, answer).await {
        Ok(answer) => answer.with_context(|| not_reached(place))?,
        Err(_) => bail!(
            "{}: no answer in {} s",
            not_reached(place),
            ANSWER.as_secs()
        ),
    };
    let status = answer.status();
    if status == StatusCode::OK {
        return Ok(Lines {
            body: answer.into_body(),
            read: BytesMut::new(),
        });
    }
    let words = Limited::new(answer.into_body(), MAX_REFUSAL_BYTES)
        .collect()
        .await;
    let words = words.map_or_else(|_| Bytes::new(), Collected::to_bytes);
    let words = Text::clean(String::from_utf8_lossy(&words).trim());
    match status {
        StatusCode::NOT_FOUND if words.as_str().is_empty() => {
            bail!("{place} is no agent that can be watched: it has no /exchanges")
        }
        _ => bail!(
            "the agent at {place} refuses: {words} (HTTP {})",
            status.as_u16()
        ),
    }
}

fn not_reached(place: &Place) -> String {
    format!(
        "reach the agent at {place}: `hopspan run` has to run there; --agent names another place"
    )
}

async fn ask<S>(stream: S, args: &Args) -> anyhow::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(format!("/exchanges?{}", args.query()))
        .header(header::HOST, args.agent.host())
        .header("hopspan-watch", "1");
    if let Some(file) = &args.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token(file)?));
    }
    Ok(sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?)
}

fn token(file: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(file)?.trim().to_owned())
}

impl Lines {
    /// The next line, without its end.
    ///
    /// # Errors
    ///
    /// When the agent has ended, is silent, or sends no lines.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Bytes> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.read[looked..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.read.split_to(looked + end + 1);
                line.truncate(looked + end);
                return Ok(line.freeze());
            }
            looked = self.read.len();
            if looked > MAX_LINE_BYTES {
                bail!("it sends no lines");
            }
            let frame = match timeout(SILENCE, self.body.frame()).await {
                Err(_) => bail!("it is silent"),
                Ok(None) => bail!("it has ended"),
                Ok(Some(frame)) => frame.context("it has ended")?,
            };
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }
}

/// Passes lines on until nobody takes them; opens the connection again where it ends.
pub(crate) async fn follow(mut lines: Lines, args: Args, updates: Sender<Update>) {
    loop {
        let lost = loop {
            let line = match lines.next().await {
                Ok(line) => line,
                Err(error) => break error.to_string(),
            };
            let update = match Event::of_line(&line) {
                Ok(event) => Update::Line(event, line),
                Err(error) => break format!("it sends what this version does not read: {error}"),
            };
            if updates.send(update).await.is_err() {
                return;
            }
        };
        if updates.send(Update::Lost(lost)).await.is_err() {
            return;
        }
        lines = loop {
            sleep(TRY_AGAIN).await;
            if updates.is_closed() {
                return;
            }
            if let Ok(lines) = open(&args).await {
                break lines;
            }
        };
    }
}
