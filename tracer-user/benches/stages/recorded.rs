//! What the stages are fed with. In: the recording and the captured heads in the repository. Out: the
//! input of each stage, as the stage before it makes it.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use tracer_common::message::Message;
use tracer_pipeline::{
    decode::{DropReasons, Journey, Record, decode},
    flow::{Event, EventKind, Flow},
    http::{self, exchange::Exchange, handshake::Handshakes},
    http2::frame::{FrameHeader, HEADER_BYTES, field_block_part},
    identity::directory::Directory,
    kube_proxy::Rules,
    path::Devices,
    pipeline::Snapshot,
    recording::Reader,
    span::Clock,
};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tracer-pipeline/tests");
/// RFC 9113, section 3.4: what a client's half of a connection begins with.
const PREFACE_BYTES: usize = 24;

/// The input of every stage.
pub(crate) struct Recorded {
    /// Raw, in the order they came.
    pub(crate) raw: Vec<Vec<u8>>,
    /// Decoded.
    pub(crate) records: Vec<Record>,
    /// Of all messages.
    pub(crate) journeys: Vec<Journey>,
    /// Of HTTP/1, paired.
    pub(crate) exchanges: Vec<Exchange>,
    /// Devices by then.
    pub(crate) devices: Devices,
    /// The clocks by then.
    pub(crate) clock: Clock,
    /// Rules by then.
    pub(crate) rules: Arc<Rules>,
    /// The kernel's names of them.
    pub(crate) drop_reasons: DropReasons,
    /// Names by then.
    pub(crate) who: Directory,
    /// Captured heads of requests.
    pub(crate) requests: Vec<Vec<u8>>,
    /// Captured heads of responses.
    pub(crate) responses: Vec<Vec<u8>>,
    /// Header blocks of a gRPC client, in the order of its connection.
    pub(crate) header_blocks: Vec<Vec<u8>>,
}

impl Recorded {
    /// Reads everything.
    ///
    /// # Errors
    /// When a file is missing, or is not what it should be.
    pub(crate) fn read() -> Result<Self> {
        let (snapshots, raw) = entries()?;
        let decoded: Result<Vec<Record>, _> = raw.iter().map(|record| decode(record)).collect();
        let records = decoded.context("decode the recording")?;
        let mut recorded = Self {
            journeys: records.iter().filter_map(journey).cloned().collect(),
            exchanges: exchanges(&records),
            devices: Devices::default(),
            clock: Clock::default(),
            rules: Arc::default(),
            drop_reasons: DropReasons::default(),
            who: Directory::default(),
            requests: heads("heads/hotrod-requests.txt")?,
            responses: heads("heads/hotrod-responses.txt")?,
            header_blocks: header_blocks()?,
            records: Vec::new(),
            raw,
        };
        snapshots
            .into_iter()
            .for_each(|snapshot| recorded.observe(snapshot));
        for record in &records {
            if let Record::Device(device) = record {
                recorded.devices.insert(device.clone());
            }
        }
        recorded.records = records;
        ensure!(
            !recorded.exchanges.is_empty(),
            "the recording has no exchanges"
        );
        ensure!(
            !recorded.header_blocks.is_empty(),
            "there are no header blocks"
        );
        Ok(recorded)
    }

    fn observe(&mut self, snapshot: Snapshot) {
        match snapshot {
            Snapshot::Clock(sample) => self.clock.sample(sample),
            Snapshot::Facts(facts) => facts.into_iter().for_each(|fact| self.who.apply(fact)),
            Snapshot::DropReasons(reasons) => self.drop_reasons = reasons,
            Snapshot::Rules(rules) => self.rules = rules,
        }
    }
}

/// The snapshots and the raw records of one dispatch of HotROD.
fn entries() -> Result<(Vec<Snapshot>, Vec<Vec<u8>>)> {
    let path = Path::new(TESTS).join("recordings/dispatch.hopspan");
    let reader = Reader::open(&path).with_context(|| format!("open {}", path.display()))?;
    let (mut snapshots, mut records) = (Vec::new(), Vec::new());
    for entry in reader {
        let entry = entry.context("read the recording")?;
        match Snapshot::decode(&entry) {
            Some(snapshot) => snapshots.push(snapshot.context("decode a snapshot")?),
            None => records.push(entry),
        }
    }
    Ok((snapshots, records))
}

fn journey(record: &Record) -> Option<&Journey> {
    match record {
        Record::Journey(journey) => Some(journey),
        _ => None,
    }
}

/// What `flow` makes of the records, an event at a time.
pub(crate) fn events(records: &[Record], mut each: impl FnMut(Event)) {
    let mut flow = Flow::default();
    for record in records {
        match record {
            Record::Journey(journey) => flow.journey(journey.clone(), &mut each),
            Record::Fragment(fragment) => flow.fragment(fragment.clone(), &mut each),
            Record::Read(read) => flow.read(*read, &mut each),
            Record::Close(close) => flow.close(close),
            _ => {}
        }
    }
    flow.finish().into_iter().for_each(each);
}

/// What `http` makes of them.
pub(crate) fn exchanges(records: &[Record]) -> Vec<Exchange> {
    let (mut pairing, mut handshakes) = (http::Http1Pairing::default(), Handshakes::default());
    let mut exchanges = Vec::new();
    for record in records {
        if let Record::Head(head) = record {
            pairing.head(head, &mut handshakes, &mut |done| exchanges.push(done));
        }
    }
    events(records, |event| match &event.kind {
        EventKind::Journey { journey, .. } => match journey.message {
            Message::Syn | Message::SynAck => {
                let id = event.connection;
                if let Some(syn_ack) = handshakes.event(event) {
                    pairing.syn_answered(id, &syn_ack);
                }
            }
            Message::Headers => {}
            _ => pairing.event(event, &mut handshakes, &mut |done| exchanges.push(done)),
        },
        EventKind::Fragment { .. } => {}
        _ => pairing.event(event, &mut handshakes, &mut |done| exchanges.push(done)),
    });
    exchanges
}

/// The heads in a file, each with its blank line.
fn heads(name: &str) -> Result<Vec<Vec<u8>>> {
    let path = Path::new(TESTS).join("fixtures").join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let heads: Vec<Vec<u8>> = text
        .split_inclusive("\r\n\r\n")
        .map(|head| head.as_bytes().to_vec())
        .collect();
    ensure!(!heads.is_empty(), "{} has no heads", path.display());
    Ok(heads)
}

fn header_blocks() -> Result<Vec<Vec<u8>>> {
    let path = Path::new(TESTS).join("fixtures/http2/hotrod-driver-client.bin");
    let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let mut rest = bytes.get(PREFACE_BYTES..).context("no preface")?;
    let mut blocks = Vec::new();
    while let Some(header) = FrameHeader::parse(rest) {
        let Some(frame) = rest.get(..header.frame_bytes() as usize) else {
            break;
        };
        if let Ok(part) = field_block_part(&header, &frame[HEADER_BYTES..]) {
            blocks.push(part.bytes.to_vec());
        }
        rest = &rest[frame.len()..];
    }
    Ok(blocks)
}
