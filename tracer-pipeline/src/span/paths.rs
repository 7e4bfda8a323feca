//! The paths of an exchange's messages, and their hops as one line of text.
//!
//! In: an exchange. Out: its paths, and attributes for paths without spans.

use std::fmt::Write as _;

use crate::{
    http::{Connect, Exchange, Leg},
    path::{Hop, Path, build_path},
};

use super::{
    Context,
    attribute::{Attribute, key},
};

/// The paths of an exchange's messages.
pub(super) struct Paths {
    pub(super) connect: Option<Path>,
    pub(super) request: Path,
    pub(super) response: Option<Path>,
}

impl Paths {
    pub(super) fn of(exchange: &Exchange, context: &Context<'_>) -> Self {
        let connect = exchange.connect.as_ref();
        let response = exchange.response.as_ref();
        Self {
            connect: connect.map(|connect| connect_path(connect, context)),
            request: leg_path(&exchange.request, context),
            response: response.map(|leg| leg_path(leg, context)),
        }
    }

    pub(super) fn start_ns(&self) -> u64 {
        let connect_ns = self.connect.as_ref().map(|path| path.start_ns);
        connect_ns.unwrap_or(u64::MAX).min(self.request.start_ns)
    }

    pub(super) fn end_ns(&self) -> u64 {
        let response_ns = self.response.as_ref().map(|path| path.end_ns);
        response_ns.unwrap_or(0).max(self.request.end_ns)
    }

    /// Adds the duration and hops of each path, and the server's time between request and response.
    pub(super) fn attributes(&self, out: &mut Vec<Attribute>) {
        let mut add = |path: Option<&Path>, duration, hops| {
            let Some(path) = path else { return };
            let duration_ns = path.end_ns.saturating_sub(path.start_ns);
            out.push(Attribute::duration(duration, duration_ns));
            out.push(Attribute::text(hops, list(&path.hops)));
        };
        add(
            self.connect.as_ref(),
            key::CONNECT_DURATION_NS,
            key::CONNECT_HOPS,
        );
        add(
            Some(&self.request),
            key::REQUEST_DURATION_NS,
            key::REQUEST_HOPS,
        );
        add(
            self.response.as_ref(),
            key::RESPONSE_DURATION_NS,
            key::RESPONSE_HOPS,
        );
        // The time of a server on another node is not seen here.
        let response = self.response.as_ref().filter(|path| !path.has_arrived);
        if let Some(response) = response {
            let server_ns = response.start_ns.saturating_sub(self.request.end_ns);
            out.push(Attribute::duration(key::SERVER_DURATION_NS, server_ns));
        }
    }
}

fn leg_path(leg: &Leg, context: &Context<'_>) -> Path {
    let (devices, drop_reasons) = (context.devices, context.drop_reasons);
    let mut path = build_path(&leg.journey, leg.read_ns, devices, drop_reasons);
    path.start_at(leg.first_start_ns());
    path
}

/// The path of the SYN and then of the SYN-ACK.
pub(super) fn connect_path(connect: &Connect, context: &Context<'_>) -> Path {
    let there = leg_path(&connect.syn, context);
    match &connect.syn_ack {
        Some(syn_ack) => there.then(leg_path(syn_ack, context)),
        None => there,
    }
}

/// The hops in order, with device and nanoseconds: `client.stack eth0 8120, route 530`.
pub(super) fn list(hops: &[Hop]) -> String {
    let mut list = String::with_capacity(hops.len() * 28);
    for hop in hops {
        let separator = if list.is_empty() { "" } else { ", " };
        let name = hop.name.as_str();
        let duration_ns = hop.end_ns.saturating_sub(hop.start_ns);
        // Writing to a String cannot fail.
        let _ = match &hop.interface {
            Some(interface) => write!(list, "{separator}{name} {interface} {duration_ns}"),
            None => write!(list, "{separator}{name} {duration_ns}"),
        };
    }
    list
}
