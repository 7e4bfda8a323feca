//! What the agent itself observed, beside the records of the kernel programs.
//!
//! In: values from the agent, or the bytes that a recording keeps of them. Out: values for the pipeline.
//! They become bytes only where something is recorded.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    decode::{ClockSample, DropReasons, Fact},
    kube_proxy::Rules,
};

// The kinds of these records in a recording. Those of the kernel programs are below 0x100.
const CLOCK: u32 = 0x100;
const RULES: u32 = 0x102;
const DROP_REASONS: u32 = 0x103;
const FACTS: u32 = 0x110;

/// One observation of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// The clocks; also the pipeline's current time.
    Clock(ClockSample),
    /// All of kube-proxy's rules on this node.
    Rules(Arc<Rules>),
    /// The kernel's names of its reasons to drop a packet.
    DropReasons(DropReasons),
    /// Pods, services and endpoints, in the order in which the agent learnt of them.
    Facts(Vec<Fact>),
}

/// Bytes that are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of kind {kind:#x} is malformed")]
pub struct SnapshotError {
    kind: u32,
}

impl Snapshot {
    /// The kind of each variant in a recording.
    pub const KINDS: [u32; 4] = [CLOCK, RULES, DROP_REASONS, FACTS];

    /// The bytes that a recording keeps: the kind (u32 in host byte order), then the clocks as numbers
    /// in host byte order, or JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Clock(sample) => {
                let mut bytes = CLOCK.to_ne_bytes().to_vec();
                bytes.extend(sample.uncertainty_ns.to_ne_bytes());
                bytes.extend(sample.monotonic_ns.to_ne_bytes());
                bytes.extend(sample.realtime_ns.to_ne_bytes());
                bytes
            }
            Self::Rules(rules) => [&RULES.to_ne_bytes(), rules.to_json().as_bytes()].concat(),
            Self::DropReasons(reasons) => as_json(DROP_REASONS, reasons),
            Self::Facts(facts) => as_json(FACTS, facts),
        }
    }

    /// Reads what [`Self::encode`] wrote. `None` where the bytes are a record of the kernel programs.
    ///
    /// # Errors
    ///
    /// When the bytes have a snapshot's kind and are not what this version writes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Result<Self, SnapshotError>> {
        let (kind, rest) = bytes.split_first_chunk()?;
        let kind = u32::from_ne_bytes(*kind);
        let snapshot = match kind {
            CLOCK => decode_clock(rest).map(Self::Clock),
            RULES => std::str::from_utf8(rest)
                .ok()
                .and_then(|json| Rules::from_json(json).ok())
                .map(|rules| Self::Rules(Arc::new(rules))),
            DROP_REASONS => from_json(rest).map(Self::DropReasons),
            FACTS => from_json(rest).map(Self::Facts),
            _ => return None,
        };
        Some(snapshot.ok_or(SnapshotError { kind }))
    }
}

fn as_json(kind: u32, value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and addresses: there is always a JSON for them.
    let json = serde_json::to_vec(value).unwrap_or_default();
    [&kind.to_ne_bytes(), json.as_slice()].concat()
}

fn from_json<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}

fn decode_clock(bytes: &[u8]) -> Option<ClockSample> {
    let (uncertainty, rest) = bytes.split_first_chunk()?;
    let (monotonic, rest) = rest.split_first_chunk()?;
    Some(ClockSample {
        monotonic_ns: u64::from_ne_bytes(*monotonic),
        realtime_ns: u64::from_ne_bytes(*rest.first_chunk()?),
        uncertainty_ns: u32::from_ne_bytes(*uncertainty),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::fact::{Kind, PodFact};

    const IPTABLES: &str = include_str!("../../tests/fixtures/kube-proxy/iptables-save.txt");

    #[test]
    fn snapshots_survive_a_recording() {
        let clock = Snapshot::Clock(ClockSample {
            monotonic_ns: 7,
            realtime_ns: u64::MAX,
            uncertainty_ns: 9,
        });
        let (rules, _) = Rules::from_iptables_save(IPTABLES);
        assert!(!rules.is_empty());
        let facts = Snapshot::Facts(vec![
            Fact::Pod(PodFact {
                uid: "a".into(),
                addresses: vec!["10.244.1.2".parse().unwrap(), "fd00::2".parse().unwrap()],
                until_ns: Some(u64::MAX),
                ..PodFact::default()
            }),
            Fact::Listed {
                kind: Kind::Pod,
                at_ns: 7,
            },
        ]);
        let reasons = Snapshot::DropReasons(DropReasons {
            reasons: [(2, "NOT_SPECIFIED".into())].into(),
            subsystems: [(1, "MAC80211_UNUSABLE".into())].into(),
        });
        for snapshot in [clock, Snapshot::Rules(Arc::new(rules)), facts, reasons] {
            let decoded = Snapshot::decode(&snapshot.encode());
            assert_eq!(decoded, Some(Ok(snapshot)));
        }
    }

    #[test]
    fn a_cut_snapshot_is_refused() {
        let whole = Snapshot::Facts(vec![Fact::Listing(Kind::Service)]).encode();
        for end in 4..whole.len() {
            let refused = Some(Err(SnapshotError { kind: FACTS }));
            assert_eq!(Snapshot::decode(&whole[..end]), refused);
        }
        let clock = [CLOCK.to_ne_bytes(); 6].concat();
        assert!(matches!(Snapshot::decode(&clock), Some(Ok(_))));
        let refused = Some(Err(SnapshotError { kind: CLOCK }));
        assert_eq!(Snapshot::decode(&clock[..23]), refused);
    }

    #[test]
    fn other_kinds_are_no_snapshot() {
        for kind in [0, 1, 8, 0x101, u32::MAX] {
            assert_eq!(Snapshot::decode(&kind.to_ne_bytes()), None);
        }
        assert_eq!(Snapshot::decode(b"abc"), None);
    }
}
