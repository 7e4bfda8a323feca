//! The paths of an exchange's messages, and their hops as one line of text.
//!
//! In: an exchange. Out: its paths.

use std::fmt::Write as _;

use tracer_common::journey::End;
use tracer_semconv::Role;

use crate::{
    http::{Connect, Exchange, Leg},
    path::{Hop, Path, build_path},
};

use super::Context;

/// The paths of an exchange's messages.
#[derive(Debug)]
pub(super) struct Paths {
    pub(super) connect: Option<Path>,
    pub(super) request: Path,
    pub(super) response: Option<Path>,
}

impl Paths {
    pub(super) fn of(exchange: &Exchange, context: &Context<'_>) -> Self {
        let connect = exchange.connect.as_ref();
        Self {
            connect: connect.map(|connect| connect_path(connect, context)),
            request: leg_path(&exchange.request, context),
            response: response_path(exchange, context),
        }
    }

    /// All of them, with their roles.
    pub(super) fn all(&self) -> impl Iterator<Item = (Role, &Path)> {
        let connect = self.connect.iter().map(|path| (Role::Connect, path));
        let response = self.response.iter().map(|path| (Role::Response, path));
        connect
            .chain([(Role::Request, &self.request)])
            .chain(response)
    }

    pub(super) fn start_ns(&self) -> u64 {
        let connect_ns = self.connect.as_ref().map(|path| path.start_ns);
        connect_ns.unwrap_or(u64::MAX).min(self.request.start_ns)
    }
}

/// The path of the response's first packet, and the time until its last byte.
fn response_path(exchange: &Exchange, context: &Context<'_>) -> Option<Path> {
    let first = exchange.response.as_ref()?;
    let mut path = leg_path(first, context);
    if matches!(first.journey.end, End::Socket | End::Left) {
        path.extend_to(exchange.ended_ns());
    }
    Some(path)
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
        let duration_ns = hop.duration_ns();
        // Writing to a String cannot fail.
        let _ = match &hop.interface {
            Some(interface) => write!(list, "{separator}{name} {interface} {duration_ns}"),
            None => write!(list, "{separator}{name} {duration_ns}"),
        };
    }
    list
}
