//! Traffic that takes one path through the programs. In: the fixture. Out: packets, for some
//! seconds.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use hopspan_lab::kube_proxy::Service;
use hopspan_lab::{Host, Process};

use crate::bench::fixture::nginx::NginxFixture;
use crate::bench::fixture::receiver::LISTEN_LIMIT;
use crate::bench::fixture::traceparent::Traceparent;
use crate::bench::fixture::wrk::Source;
use crate::bench::settings::Settings;

/// Of the chat server, beside nginx in its pod.
const CHAT_PORT: u16 = 8081;
/// The chat server's service.
const CHAT_SERVICE: ([u8; 4], u16) = ([10, 96, 0, 21], 81);
const SECONDS: u64 = 3;
const GRACE: Duration = Duration::from_secs(30);
/// Until the last packets of a mix have passed: sockets close, and acknowledgements are delayed.
const SETTLE: Duration = Duration::from_millis(300);

/// The address of both services for the host outside of the node.
const EXTERNAL_IP: [u8; 4] = [10, 250, 0, 20];

/// A mix of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// Small messages that are no HTTP, in both directions: every packet has data, none a journey.
    Chat,
    /// The same with large messages.
    Bulk,
    /// Requests on kept connections, with a sampled context: nearly every packet has a journey.
    Requests,
    /// The same without a context: the programs leave them out.
    LeftOut,
    /// As [`Self::Chat`], through an uplink: the client is outside of the node.
    OutsideChat,
    /// As [`Self::Requests`], through an uplink.
    OutsideRequests,
}

/// The clients and servers of all mixes.
pub(super) struct Traffic<'a> {
    settings: &'a Settings,
    fixture: &'a NginxFixture,
    outside: Host,
    _chat: Process,
}

impl<'a> Traffic<'a> {
    /// Starts what the mixes need beside the fixture.
    ///
    /// # Errors
    /// When something does not start.
    pub(super) fn prepare(settings: &'a Settings, fixture: &'a NginxFixture) -> Result<Self> {
        let receiver = &fixture.receiver;
        Ok(Self {
            outside: receiver.lab.host("outside", &receiver.node)?,
            _chat: serve(settings, fixture)?,
            settings,
            fixture,
        })
    }

    /// Sends a mix for some seconds, and waits until its last packets have passed.
    ///
    /// # Errors
    /// When a program fails.
    pub(super) fn send(&self, mix: Mix) -> Result<()> {
        let length = self.settings.length(SECONDS);
        match mix {
            Mix::Chat => self.chat(CHAT_SERVICE.into(), 64, length)?,
            Mix::Bulk => self.chat(CHAT_SERVICE.into(), 256 << 10, length)?,
            Mix::Requests => {
                self.fixture.wrk(Traceparent::Sampled(100), length)?;
            }
            Mix::LeftOut => {
                self.fixture.wrk(Traceparent::None, length)?;
            }
            Mix::OutsideChat => self.chat((EXTERNAL_IP, CHAT_SERVICE.1).into(), 64, length)?,
            Mix::OutsideRequests => {
                let from = Source {
                    wrk: self.outside.command("wrk"),
                    to: (EXTERNAL_IP, self.fixture.service.port).into(),
                };
                self.fixture
                    .wrk_from(from, Traceparent::Sampled(100), length)?;
            }
        }
        thread::sleep(SETTLE);
        Ok(())
    }

    /// Sends messages to the chat server's service: from the pod to its ClusterIP, from outside to
    /// its external address.
    fn chat(&self, to: SocketAddr, bytes: usize, length: Duration) -> Result<()> {
        let program = self.settings.program("hopspan-bench");
        let command = if to.ip() == IpAddr::from(EXTERNAL_IP) {
            self.outside.command(program)
        } else {
            self.fixture.client.command(program)
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
fn serve(settings: &Settings, fixture: &NginxFixture) -> Result<Process> {
    let mut server = fixture
        .server
        .command(settings.program("hopspan-bench"))
        .args(["chat-server", "--listen", &format!("0.0.0.0:{CHAT_PORT}")])
        .spawn()?;
    server.wait_listening(CHAT_PORT, LISTEN_LIMIT)?;
    let external_ips = vec![EXTERNAL_IP.into()];
    let chat = Service {
        endpoints: vec![SocketAddr::new(fixture.server.ip().into(), CHAT_PORT)],
        external_ips: external_ips.clone(),
        ..Service::new("bench", "chat", CHAT_SERVICE.into())
    };
    let nginx = Service {
        external_ips,
        ..fixture.service.clone()
    };
    fixture.receiver.node.apply_services(&[nginx, chat])?;
    Ok(server)
}
