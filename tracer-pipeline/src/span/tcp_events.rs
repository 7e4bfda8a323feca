//! Retransmissions, drops and zero windows, as span events and attributes.
//!
//! In: legs. Out: [`Event`]s. TCP recovers from each of these, so none is an error.

use tracer_common::message::Message;
use tracer_semconv::{Side, drop, event, packet};

use crate::{http::Leg, path::PacketDrop};

use super::{
    Event,
    attribute::{Attribute, key},
    clock::Clock,
};

/// An event for each retransmitted packet, with the drop of the packet before it, where there was
/// one.
pub(super) fn retransmissions(
    legs: &[&Leg],
    clock: &Clock,
    lost: impl Fn(&Leg, usize) -> Option<PacketDrop>,
) -> Vec<Event> {
    let mut events: Vec<Event> = legs
        .iter()
        .flat_map(|leg| {
            let again = leg.packets().into_iter().enumerate().skip(1);
            again.map(|(index, packet)| {
                let packet_name = message_name(packet.message);
                let mut attributes = vec![Attribute::text(key::TCP_PACKET, packet_name)];
                attributes.extend(lost(leg, index - 1).into_iter().flat_map(drop_attributes));
                Event {
                    name: event::TCP_RETRANSMITTED,
                    at_unix_ns: clock.unix_ns(packet.start_ns),
                    attributes,
                }
            })
        })
        .collect();
    events.sort_by_key(|event| event.at_unix_ns);
    events
}

/// The reason and the hop of a drop.
pub(super) fn drop_attributes(lost: PacketDrop) -> impl Iterator<Item = Attribute> {
    let reason = lost
        .reason
        .map(|reason| Attribute::text(key::DROP_REASON, reason));
    let hop = lost
        .hop
        .map(|hop| Attribute::text(key::DROP_HOP, hop.as_str()));
    let by = lost
        .by_conntrack
        .then(|| Attribute::text(key::DROP_BY, drop::BY_CONNTRACK));
    reason.into_iter().chain(hop).chain(by)
}

/// An event for each zero window of the message's receiver, with its duration once the window has
/// opened.
pub(super) fn zero_windows(
    leg: &Leg,
    receiver: Side,
    clock: &Clock,
) -> impl Iterator<Item = Event> {
    leg.zero_windows.iter().map(move |zero| {
        let duration = zero.opened_ns.map(|ns| ns.saturating_sub(zero.closed_ns));
        let duration = duration.and_then(|ns| i64::try_from(ns).ok());
        let side = Attribute::text(key::TCP_WINDOW_OF, receiver.as_str());
        let duration = duration.map(|ns| Attribute::int(key::TCP_ZERO_WINDOW_NS, ns));
        Event {
            name: event::TCP_ZERO_WINDOW,
            at_unix_ns: clock.unix_ns(zero.closed_ns),
            attributes: std::iter::once(side).chain(duration).collect(),
        }
    })
}

fn message_name(message: Message) -> &'static str {
    match message {
        Message::Syn => packet::SYN,
        Message::SynAck => packet::SYN_ACK,
        Message::Request => packet::REQUEST,
        Message::Response => packet::RESPONSE,
        Message::ResponseEnd => packet::RESPONSE_END,
        Message::Headers => packet::HEADERS,
    }
}
