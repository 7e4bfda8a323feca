//! A connection whose writes have a time limit.
//!
//! In: a byte stream. Out: the same stream, which fails when what was written has not left within
//! the limit. So a client that does not read, or reads a byte at a time, holds no response for long.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Whether the limit of a connection is lifted: for a watcher on this machine, which may stop reading
/// for as long as it likes, because what waits for it is bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct Lifted(Arc<AtomicBool>);

impl Lifted {
    /// Lifts the limit for good.
    pub(super) fn lift(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream with a limit from the first write to the next complete flush.
pub(super) struct TimedWrites<S> {
    stream: S,
    limit: Duration,
    lifted: Lifted,
    /// Set while written bytes may not have left.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedWrites<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self {
            stream,
            limit,
            lifted: Lifted::default(),
            deadline: None,
        }
    }

    /// Lifts the limit from elsewhere.
    pub(super) fn lifted(&self) -> Lifted {
        self.lifted.clone()
    }

    /// Fails when the limit has passed, and wakes the task when it does.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.lifted.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        match deadline.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedWrites<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedWrites<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_reader_that_trickles_ends_the_write() {
        let (mut reader, stream) = duplex(64);
        let mut stream = TimedWrites::new(stream, LIMIT);
        let trickle = tokio::spawn(async move {
            while reader.read_u8().await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        let error = stream.write_all(&[0; 1024]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        trickle.abort();
    }

    #[tokio::test]
    async fn a_lifted_limit_is_none() {
        let (mut reader, stream) = duplex(64);
        let mut stream = TimedWrites::new(stream, LIMIT);
        stream.lifted().lift();
        let late = tokio::spawn(async move {
            sleep(3 * LIMIT).await;
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.map(|_| all.len())
        });
        stream.write_all(&[0; 1024]).await.unwrap();
        drop(stream);
        assert_eq!(late.await.unwrap().unwrap(), 1024);
    }

    #[tokio::test]
    async fn a_pause_between_responses_is_no_failure() {
        let (_reader, stream) = duplex(64);
        let mut stream = TimedWrites::new(stream, LIMIT);
        for _ in 0..2 {
            stream.write_all(&[0; 16]).await.unwrap();
            stream.flush().await.unwrap();
            sleep(2 * LIMIT).await;
        }
    }
}
