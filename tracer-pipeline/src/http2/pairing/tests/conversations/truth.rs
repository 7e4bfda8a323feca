//! What really happens on each stream, as far as the kernel programs could see it.

use super::{
    generator::{Milestone, What, stream_of},
    plan::Plan,
};
use crate::{
    conversation_tests::{Played, Wire},
    flow::Side,
};

/// Of a GOAWAY, for the streams that it leaves out: REFUSED_STREAM.
pub(super) const REFUSAL: How = How::Reset {
    code: 7,
    by: Side::Server,
};

/// One stream.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) index: usize,
    /// The first byte of its request, and when it was seen.
    pub(super) request: usize,
    pub(super) requested_ns: u64,
    /// The first byte of its response, and when it was seen.
    pub(super) responded: Option<(usize, u64)>,
    /// The first byte of its trailers.
    pub(super) trailers: Option<usize>,
    pub(super) status: Option<u16>,
    pub(super) grpc_status: Option<u32>,
    pub(super) close: Option<Close>,
    /// What would end it too, were it not over.
    pub(super) later: Vec<Close>,
}

/// How a stream ends: by which byte, and when that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Close {
    pub(super) how: How,
    pub(super) from: Side,
    pub(super) last: usize,
    pub(super) at_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Response,
    Reset { code: u32, by: Side },
}

/// The streams of which the kernel programs have seen the request.
pub(super) fn truths(plans: &[Plan], milestones: &[Milestone], played: &Played) -> Vec<Truth> {
    let wire = |from| match from {
        Side::Client => &played.to_server,
        Side::Server => &played.to_client,
    };
    let mut timed: Vec<(u64, Milestone)> = Vec::new();
    let mut keys = Vec::new();
    for milestone in milestones {
        let Some(at_ns) = wire(milestone.from).seen_ns(milestone.last) else {
            continue;
        };
        // The events of a direction are in order, though a packet may overtake another one.
        let before = keys.iter().filter(|(_, from, _)| *from == milestone.from);
        let after_ns = before.map(|(key_ns, _, _)| *key_ns).max().unwrap_or(0);
        keys.push((at_ns.max(after_ns), milestone.from, timed.len()));
        timed.push((at_ns, *milestone));
    }
    keys.sort_by_key(|(key_ns, _, index)| (*key_ns, *index));
    let timed: Vec<_> = keys.iter().map(|(_, _, index)| timed[*index]).collect();
    let streams = plans.iter().enumerate();
    streams
        .filter_map(|(index, _)| truth(index, &timed, wire))
        .collect()
}

fn truth<'w>(
    index: usize,
    timed: &[(u64, Milestone)],
    wire: impl Fn(Side) -> &'w Wire,
) -> Option<Truth> {
    let stream = stream_of(index);
    let mut truth: Option<Truth> = None;
    let mut refused_ns: Option<u64> = None;
    for (at_ns, milestone) in timed {
        if let What::GoAway { last_stream } = milestone.what
            && stream > last_stream
        {
            refused_ns.get_or_insert(*at_ns);
        }
        let first = || {
            (
                milestone.begin,
                wire(milestone.from).seen_ns(milestone.begin + 8),
            )
        };
        if milestone.stream == stream && milestone.what == What::Request {
            truth = Some(Truth {
                index,
                request: milestone.begin,
                requested_ns: first().1?,
                responded: None,
                trailers: None,
                status: None,
                grpc_status: None,
                close: None,
                later: Vec::new(),
            });
        }
        let Some(truth) = &mut truth else {
            continue;
        };
        let refusal = (refused_ns == Some(*at_ns)).then(|| refusal(milestone, *at_ns));
        if truth.close.is_some() {
            let end = close(milestone, *at_ns).filter(|_| milestone.stream == stream);
            truth.later.extend(end.or(refusal));
            continue;
        }
        if refused_ns.is_some() && truth.responded.is_none() {
            truth.close = Some(self::refusal(milestone, *at_ns));
        } else if milestone.stream == stream {
            truth.take(milestone, *at_ns, first().1);
        }
    }
    truth
}

/// A GOAWAY, or a request behind it.
fn refusal(milestone: &Milestone, at_ns: u64) -> Close {
    Close {
        how: REFUSAL,
        from: milestone.from,
        last: milestone.last,
        at_ns,
    }
}

/// How an event ends its stream, if it does.
fn close(milestone: &Milestone, at_ns: u64) -> Option<Close> {
    let how = match milestone.what {
        What::Request | What::GoAway { .. } | What::Response { is_last: false, .. } => return None,
        What::Response { .. } | What::Trailers { .. } | What::DataEnd => How::Response,
        What::Reset { code } => How::Reset {
            code,
            by: milestone.from,
        },
    };
    Some(Close {
        how,
        from: milestone.from,
        last: milestone.last,
        at_ns,
    })
}

impl Truth {
    fn take(&mut self, milestone: &Milestone, at_ns: u64, first_ns: Option<u64>) {
        match milestone.what {
            What::Response { status, .. } => {
                self.status = Some(status);
                self.responded = first_ns.map(|first_ns| (milestone.begin, first_ns));
            }
            What::Trailers { grpc_status } => {
                self.grpc_status = grpc_status;
                self.trailers = Some(milestone.begin);
            }
            What::Request | What::GoAway { .. } | What::DataEnd | What::Reset { .. } => {}
        }
        self.close = close(milestone, at_ns);
    }
}
