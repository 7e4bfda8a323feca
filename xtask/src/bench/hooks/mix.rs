//! Traffic that takes one path through the programs. In: the ground. Out: packets, for a while.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hopspan_lab::Process;
use hopspan_lab::kube_proxy::Service;

use super::super::ground::{Ground, LISTEN, Traceparent};
use super::super::root::Bench;

/// Of the chat server, beside nginx in its pod.
const CHAT_PORT: u16 = 8081;
/// The chat server's service.
const CHAT_SERVICE: ([u8; 4], u16) = ([10, 96, 0, 21], 81);
const SECONDS: u64 = 3;
const GRACE: Duration = Duration::from_secs(30);
/// After which the last packets of a mix have gone: sockets close, acknowledgements are delayed.
const SETTLE: Duration = Duration::from_millis(300);

/// A mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// Small messages that are no HTTP, there and back: every packet carries data, none a journey.
    Chat,
    /// Large ones.
    Bulk,
    /// Requests on connections that are kept, with a sampled context: nearly every packet has a journey.
    Requests,
    /// The same without a context: they are left out.
    LeftOut,
}

impl Mix {
    /// In the order in which costs are computed from them.
    pub(super) const ALL: [Self; 4] = [Self::Chat, Self::Bulk, Self::Requests, Self::LeftOut];

    /// Sends it for a while, and waits until it is over.
    pub(super) fn send(self, bench: &Bench<'_>, ground: &Ground) -> Result<()> {
        let length = bench.length(SECONDS);
        match self {
            Self::Chat => chat(bench, ground, 64, length)?,
            Self::Bulk => chat(bench, ground, 256 << 10, length)?,
            Self::Requests => {
                ground.wrk(Traceparent::Sampled(100), length)?;
            }
            Self::LeftOut => {
                ground.wrk(Traceparent::None, length)?;
            }
        }
        thread::sleep(SETTLE);
        Ok(())
    }
}

/// Starts the server of the first two, and gives it a service.
pub(super) fn serve(bench: &Bench<'_>, ground: &Ground) -> Result<Process> {
    let mut server = ground
        .server
        .command(bench.program("hopspan-bench"))
        .args(["chat-server", "--listen", &format!("0.0.0.0:{CHAT_PORT}")])
        .spawn()?;
    server.wait_listening(CHAT_PORT, LISTEN)?;
    let chat = Service {
        endpoints: vec![SocketAddr::new(ground.server.ip().into(), CHAT_PORT)],
        ..Service::new("bench", "chat", CHAT_SERVICE.into())
    };
    let node = &ground.base.node;
    node.apply_services(&[ground.service().clone(), chat])?;
    Ok(server)
}

fn chat(bench: &Bench<'_>, ground: &Ground, bytes: usize, length: Duration) -> Result<()> {
    let to: SocketAddr = CHAT_SERVICE.into();
    ground
        .client
        .command(bench.program("hopspan-bench"))
        .args(["chat", "--to", &to.to_string()])
        .args(["--bytes", &bytes.to_string()])
        .args(["--milliseconds", &length.as_millis().to_string()])
        .run(length + GRACE)?;
    Ok(())
}
