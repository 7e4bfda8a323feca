//! The first inputs of each target. In: the captures and the recordings of tracer-pipeline's tests. Out:
//! a corpus for each target, in the target's own input format: real traffic, cut at boundaries of
//! its format.

mod http2;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::target::Target;
use crate::workspace::Workspace;

const RECORDING_MAGIC: &[u8] = b"hopspan1";

/// Records in a piece of the recording: two exchanges, and still fast.
const RECORDS_PER_PIECE: usize = 24;

/// Writes the target's seeds to `corpus`. Other inputs in it stay.
///
/// # Errors
/// When a capture cannot be read, or a seed cannot be written.
pub(super) fn write(workspace: &Workspace, target: Target, corpus: &Path) -> Result<()> {
    fs::create_dir_all(corpus).with_context(|| format!("create {}", corpus.display()))?;
    let captures = Captures {
        tests: workspace.root().join("tracer-pipeline/tests"),
    };
    for (number, seed) in captures.seeds(target)?.into_iter().enumerate() {
        let path = corpus.join(format!("seed-{number:03}"));
        fs::write(&path, seed).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The captures of the tests.
struct Captures {
    tests: PathBuf,
}

impl Captures {
    fn seeds(&self, target: Target) -> Result<Vec<Vec<u8>>> {
        match target {
            Target::Http1Head => {
                let requests = heads(&self.read("fixtures/heads/hotrod-requests.txt")?);
                let responses = heads(&self.read("fixtures/heads/hotrod-responses.txt")?);
                Ok([requests, responses].concat())
            }
            Target::TraceContext => Ok(heads(&self.read("fixtures/heads/hotrod-requests.txt")?)),
            Target::Http2Frame => Ok(self.http2()?.frames()),
            Target::Http2Hpack => Ok(self.http2()?.blocks()),
            Target::Http2Connection => Ok(self.http2()?.connections()),
            Target::NfTables => ["nftables", "nftables-both", "iptables-nft"]
                .iter()
                .map(|name| self.read(&format!("fixtures/kube-proxy/{name}.messages")))
                .collect(),
            // The target reads the table and the family from the first byte.
            Target::IpTables => [
                (0, "iptables-legacy-nat"),
                (1, "iptables-legacy-filter"),
                (2, "ip6tables-legacy-nat"),
            ]
            .iter()
            .map(|(which, name)| {
                let entries = self.read(&format!("fixtures/kube-proxy/{name}.entries"))?;
                Ok([&[*which], &entries[..]].concat())
            })
            .collect(),
            Target::Decode => {
                let recording = self.recording()?;
                records(&recording)?
                    .into_iter()
                    .map(|record| Ok(record.get(4..).context("a record has a length")?.to_vec()))
                    .collect()
            }
            Target::Pipeline => {
                let recording = self.recording()?;
                let records = records(&recording)?;
                // Times need the first record, a sample of the clocks.
                let (clocks, rest) = records.split_first().context("dispatch.hopspan is empty")?;
                let pieces = rest.chunks(RECORDS_PER_PIECE);
                Ok(pieces
                    .map(|piece| [clocks, &piece.concat()[..]].concat())
                    .collect())
            }
        }
    }

    fn http2(&self) -> Result<http2::Capture> {
        let segments = self.read("fixtures/http2/hotrod-driver-segments.txt")?;
        Ok(http2::Capture {
            client: self.read("fixtures/http2/hotrod-driver-client.bin")?,
            server: self.read("fixtures/http2/hotrod-driver-server.bin")?,
            segments: String::from_utf8_lossy(&segments).into_owned(),
        })
    }

    fn recording(&self) -> Result<Vec<u8>> {
        self.read("recordings/dispatch.hopspan")
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.tests.join(name);
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }
}

/// Heads, each with the blank line that ends it.
fn heads(text: &[u8]) -> Vec<Vec<u8>> {
    let mut heads = vec![Vec::new()];
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some(head) = heads.last_mut() {
            head.extend_from_slice(line);
        }
        if line == b"\r\n" {
            heads.push(Vec::new());
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

/// The records of a recording, each with the four bytes of its length before it.
fn records(recording: &[u8]) -> Result<Vec<&[u8]>> {
    let mut rest = recording
        .strip_prefix(RECORDING_MAGIC)
        .context("dispatch.hopspan is no recording of this version")?;
    let mut records = Vec::new();
    while let Some(length) = rest.first_chunk() {
        let bytes = length.len() + u32::from_le_bytes(*length) as usize;
        ensure!(bytes <= rest.len(), "dispatch.hopspan ends within a record");
        let (record, after) = rest.split_at(bytes);
        records.push(record);
        rest = after;
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_that_fit() {
        let workspace = Workspace::new().unwrap();
        for target in Target::all() {
            let corpus = tempfile::tempdir().unwrap();
            write(&workspace, target, corpus.path()).unwrap();
            let mut seeds = 0;
            for seed in fs::read_dir(corpus.path()).unwrap() {
                let bytes = seed.unwrap().metadata().unwrap().len() as usize;
                let range = 1..=target.max_input_bytes();
                assert!(range.contains(&bytes), "{}", target.name());
                seeds += 1;
            }
            assert!(seeds > 0, "{}", target.name());
        }
    }

    #[test]
    fn heads_end_with_their_blank_line() {
        assert_eq!(
            heads(b"a\r\nb\r\n\r\nc\r\n\r\n"),
            [&b"a\r\nb\r\n\r\n"[..], b"c\r\n\r\n"]
        );
    }

    #[test]
    fn a_recording_is_cut_into_records() {
        let recording = b"hopspan1\x02\0\0\0ab\0\0\0\0";
        assert_eq!(
            records(recording).unwrap(),
            [&b"\x02\0\0\0ab"[..], b"\0\0\0\0"]
        );
        assert!(records(b"hopspan1\x09\0\0\0ab").is_err());
    }
}
