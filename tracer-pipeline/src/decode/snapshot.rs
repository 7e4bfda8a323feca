//! What the agent itself saw, in the same stream as the kernel's records, so that a recording
//! replays to the same spans.

use serde::{Serialize, de::DeserializeOwned};

use super::{DecodeError, DropReasons, Fact};

const CLOCK: u32 = 0x100;
const RULES: u32 = 0x101;
const RULE_FACTS: u32 = 0x102;
const DROP_REASONS: u32 = 0x103;
const FACTS: u32 = 0x110;
const CLOCK_BYTES: usize = 24;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSample {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// `CLOCK_REALTIME`, nanoseconds since 1970-01-01 00:00 UTC.
    pub realtime_ns: u64,
    /// How far `realtime_ns` may be off, nanoseconds: half the time that the reading took.
    pub uncertainty_ns: u32,
}

/// A record that user space makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// The clocks; also the pipeline's notion of now.
    Clock(ClockSample),
    /// kube-proxy's rules, as `iptables-save` writes them.
    Rules(String),
    /// What kube-proxy's rules amount to, in the agent's own form. The agent makes these; the other
    /// form is in older recordings.
    RuleFacts(String),
    /// What the kernel calls its reasons to drop a packet.
    DropReasons(DropReasons),
    /// Who is who, in the order in which it was learnt.
    Facts(Vec<Fact>),
}

impl Snapshot {
    /// The record's bytes, for the pipeline and for a recording.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Clock(sample) => {
                let mut bytes = CLOCK.to_ne_bytes().to_vec();
                bytes.extend(sample.uncertainty_ns.to_ne_bytes());
                bytes.extend(sample.monotonic_ns.to_ne_bytes());
                bytes.extend(sample.realtime_ns.to_ne_bytes());
                bytes
            }
            Self::Rules(text) => [&RULES.to_ne_bytes(), text.as_bytes()].concat(),
            Self::RuleFacts(text) => [&RULE_FACTS.to_ne_bytes(), text.as_bytes()].concat(),
            Self::DropReasons(reasons) => as_json(DROP_REASONS, reasons),
            Self::Facts(facts) => as_json(FACTS, facts),
        }
    }
}

fn as_json(kind: u32, value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and addresses: there is always a JSON for them.
    let json = serde_json::to_vec(value).unwrap_or_default();
    [&kind.to_ne_bytes(), json.as_slice()].concat()
}

/// `None` where the kind is not one of these.
pub(super) fn decode(kind: u32, bytes: &[u8]) -> Option<Result<Snapshot, DecodeError>> {
    match kind {
        CLOCK => Some(decode_clock(bytes).ok_or(DecodeError::Short {
            kind,
            bytes: bytes.len(),
        })),
        RULES => Some(Ok(Snapshot::Rules(text(bytes)))),
        RULE_FACTS => Some(Ok(Snapshot::RuleFacts(text(bytes)))),
        DROP_REASONS => Some(from_json(kind, bytes).map(Snapshot::DropReasons)),
        FACTS => Some(from_json(kind, bytes).map(Snapshot::Facts)),
        _ => None,
    }
}

fn from_json<T: DeserializeOwned>(kind: u32, bytes: &[u8]) -> Result<T, DecodeError> {
    let json = bytes.get(size_of::<u32>()..).unwrap_or_default();
    serde_json::from_slice(json).map_err(|_| DecodeError::Malformed { kind })
}

/// What follows the record's kind.
fn text(bytes: &[u8]) -> String {
    let text = bytes.get(size_of::<u32>()..).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn decode_clock(bytes: &[u8]) -> Option<Snapshot> {
    let bytes: &[u8; CLOCK_BYTES] = bytes.first_chunk()?;
    let (_, rest) = bytes.split_first_chunk::<4>()?;
    let (uncertainty, rest) = rest.split_first_chunk::<4>()?;
    let (monotonic, rest) = rest.split_first_chunk::<8>()?;
    Some(Snapshot::Clock(ClockSample {
        monotonic_ns: u64::from_ne_bytes(*monotonic),
        realtime_ns: u64::from_ne_bytes(*rest.first_chunk()?),
        uncertainty_ns: u32::from_ne_bytes(*uncertainty),
    }))
}
