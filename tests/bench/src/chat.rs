//! Packets without a journey: messages of a protocol that is neither HTTP/1 nor HTTP/2, and their
//! answers.
//!
//! In: the size of a message, and a duration. Out: the number of messages, as JSON. With large
//! messages most packets are full segments and bare acknowledgements; with small ones each packet
//! is a message.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;

/// Each byte of a message: no HTTP/1 method begins with it, nor the preface of HTTP/2, and as the
/// length of a frame it is far beyond the limit.
const BYTE: u8 = 0xf5;
/// The most bytes of one read.
const BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// The address to listen on
    #[arg(long)]
    listen: SocketAddr,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ClientArgs {
    /// The server
    #[arg(long)]
    to: SocketAddr,
    /// Bytes of a message
    #[arg(long)]
    bytes: usize,
    /// How long to send messages
    #[arg(long)]
    milliseconds: u64,
}

/// Answers until it is killed.
pub(crate) fn serve(args: &ServerArgs) -> anyhow::Result<()> {
    let listener =
        TcpListener::bind(args.listen).with_context(|| format!("listen on {}", args.listen))?;
    eprintln!("listening on {}", args.listen);
    for stream in listener.incoming() {
        let stream = stream.context("accept a connection")?;
        thread::spawn(move || {
            if let Err(error) = answer(stream) {
                eprintln!("a connection failed: {error}");
            }
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let taken = stream.read(&mut buffer)?;
        if taken == 0 {
            return Ok(());
        }
        if let Some(taken) = buffer.get(..taken) {
            stream.write_all(taken)?;
        }
    }
}

/// Sends messages for the duration.
pub(crate) fn talk(args: &ClientArgs) -> anyhow::Result<()> {
    let stream = TcpStream::connect(args.to).with_context(|| format!("connect to {}", args.to))?;
    stream.set_nodelay(true).context("set TCP_NODELAY")?;
    let mut sender = stream.try_clone().context("duplicate a socket")?;
    let (begin, length) = (Instant::now(), Duration::from_millis(args.milliseconds));
    let bytes = args.bytes;
    let message = vec![BYTE; bytes];
    // A message may be larger than the buffers of both sockets: another thread reads the answers.
    let (sent, answers) = std::sync::mpsc::sync_channel::<()>(1);
    let reader = thread::spawn(move || read_answers(stream, bytes, &sent));
    let mut messages = 0_u64;
    while begin.elapsed() < length {
        sender.write_all(&message).context("send a message")?;
        answers.recv().context("the server has gone")?;
        messages += 1;
    }
    sender
        .shutdown(std::net::Shutdown::Write)
        .context("end the connection")?;
    reader
        .join()
        .map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    println!(
        "{}",
        serde_json::json!({"messages": messages, "seconds": begin.elapsed().as_secs_f64()})
    );
    Ok(())
}

/// Sends to `whole` for each complete answer, until the server closes the connection.
fn read_answers(
    mut stream: TcpStream,
    bytes: usize,
    whole: &std::sync::mpsc::SyncSender<()>,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut have = 0;
    loop {
        let taken = stream.read(&mut buffer).context("read an answer")?;
        if taken == 0 {
            return Ok(());
        }
        have += taken;
        while have >= bytes.max(1) {
            have -= bytes.max(1);
            if whole.send(()).is_err() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_answered_whole() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let server = thread::spawn(move || answer(listener.accept().unwrap().0));
        // Larger than one read of the server.
        let bytes = 3 * BUFFER_BYTES + 1;
        talk(&ClientArgs {
            to,
            bytes,
            milliseconds: 20,
        })
        .unwrap();
        server.join().unwrap().unwrap();
    }
}
