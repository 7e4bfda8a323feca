//! Traffic that takes one path through the programs. In: the ground. Out: packets, for a while.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hopspan_lab::kube_proxy::Service;
use hopspan_lab::{Host, Process};

use super::super::ground::{Ground, LISTEN, Source, Traceparent};
use super::super::root::Bench;

/// Of the chat server, beside nginx in its pod.
const CHAT_PORT: u16 = 8081;
/// The chat server's service.
const CHAT_SERVICE: ([u8; 4], u16) = ([10, 96, 0, 21], 81);
const SECONDS: u64 = 3;
const GRACE: Duration = Duration::from_secs(30);
/// After which the last packets of a mix have gone: sockets close, acknowledgements are delayed.
const SETTLE: Duration = Duration::from_millis(300);

/// By which the host outside of the node reaches both services.
const EXTERNAL_IP: [u8; 4] = [10, 250, 0, 20];

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
    /// As [`Self::Chat`], by an uplink: the client is outside of the node.
    OutsideChat,
    /// As [`Self::Requests`], by an uplink.
    OutsideRequests,
}

impl Mix {
    /// In the order in which costs are computed from them.
    pub(super) const ALL: [Self; 6] = [
        Self::Chat,
        Self::Bulk,
        Self::Requests,
        Self::LeftOut,
        Self::OutsideChat,
        Self::OutsideRequests,
    ];
}

/// Who sends and who answers.
pub(super) struct Traffic<'a> {
    bench: &'a Bench<'a>,
    ground: &'a Ground,
    outside: Host,
    _chat: Process,
}

impl<'a> Traffic<'a> {
    /// Starts what the mixes need beside the ground.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) fn prepare(bench: &'a Bench<'a>, ground: &'a Ground) -> Result<Self> {
        let outside = ground.base.lab.host("outside", &ground.base.node)?;
        Ok(Self {
            outside,
            _chat: serve(bench, ground)?,
            bench,
            ground,
        })
    }

    /// Sends a mix for a while, and waits until it is over.
    ///
    /// # Errors
    /// When a program fails.
    pub(super) fn send(&self, mix: Mix) -> Result<()> {
        let length = self.bench.length(SECONDS);
        let server = self.ground.service();
        match mix {
            Mix::Chat => self.chat(CHAT_SERVICE.into(), 64, length)?,
            Mix::Bulk => self.chat(CHAT_SERVICE.into(), 256 << 10, length)?,
            Mix::Requests => {
                self.ground.wrk(Traceparent::Sampled(100), length)?;
            }
            Mix::LeftOut => {
                self.ground.wrk(Traceparent::None, length)?;
            }
            Mix::OutsideChat => self.chat((EXTERNAL_IP, CHAT_SERVICE.1).into(), 64, length)?,
            Mix::OutsideRequests => {
                let from = Source {
                    wrk: self.outside.command("wrk"),
                    to: (EXTERNAL_IP, server.port).into(),
                };
                self.ground
                    .wrk_from(from, Traceparent::Sampled(100), length)?;
            }
        }
        thread::sleep(SETTLE);
        Ok(())
    }

    /// Messages to the chat server's service: from the pod, or from outside to its external address.
    fn chat(&self, to: SocketAddr, bytes: usize, length: Duration) -> Result<()> {
        let program = self.bench.program("hopspan-bench");
        let command = if to.ip() == IpAddr::from(EXTERNAL_IP) {
            self.outside.command(program)
        } else {
            self.ground.client.command(program)
        };
        command
            .args(["chat", "--to", &to.to_string()])
            .args(["--bytes", &bytes.to_string()])
            .args(["--milliseconds", &length.as_millis().to_string()])
            .run(length + GRACE)?;
        Ok(())
    }
}

/// Starts the server of messages that are no HTTP, gives it a service, and both services an address
/// outside of the cluster.
fn serve(bench: &Bench<'_>, ground: &Ground) -> Result<Process> {
    let mut server = ground
        .server
        .command(bench.program("hopspan-bench"))
        .args(["chat-server", "--listen", &format!("0.0.0.0:{CHAT_PORT}")])
        .spawn()?;
    server.wait_listening(CHAT_PORT, LISTEN)?;
    let external_ips = vec![EXTERNAL_IP.into()];
    let chat = Service {
        endpoints: vec![SocketAddr::new(ground.server.ip().into(), CHAT_PORT)],
        external_ips: external_ips.clone(),
        ..Service::new("bench", "chat", CHAT_SERVICE.into())
    };
    let nginx = Service {
        external_ips,
        ..ground.service().clone()
    };
    ground.base.node.apply_services(&[nginx, chat])?;
    Ok(server)
}
