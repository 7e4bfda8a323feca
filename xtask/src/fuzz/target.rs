//! The fuzz targets, and libFuzzer's options for each. In: nothing. Out: names and bounds. Knows no
//! tool.

use clap::ValueEnum;

use crate::value_enum;

/// A program in fuzz/fuzz_targets, by its file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Target {
    /// Heads of HTTP/1 requests and responses
    Http1Head,
    /// Header fields that carry a trace context
    TraceContext,
    /// HTTP/2 frames
    Http2Frame,
    /// HPACK header blocks
    Http2Hpack,
    /// Fragments of an HTTP/2 connection
    Http2Connection,
    /// Messages of nf_tables' dumps
    NfTables,
    /// Entries of iptables' legacy tables
    IpTables,
    /// Raw records
    Decode,
    /// A recording, through all pure stages
    Pipeline,
}

impl Target {
    /// All, the narrow ones first.
    pub(super) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// The program's name.
    pub(super) fn name(self) -> String {
        value_enum::name(&self)
    }

    /// The longest input, bytes: beyond the bounds of the code under test, and no longer, because
    /// long inputs are slow.
    pub(super) fn max_input_bytes(self) -> usize {
        match self {
            // A head is joined up to 16 KiB.
            Self::Http1Head => 20 << 10,
            Self::TraceContext => 4 << 10,
            // The default SETTINGS_MAX_FRAME_SIZE is 16 KiB.
            Self::Http2Frame => 17 << 10,
            Self::Http2Hpack | Self::Http2Connection | Self::Decode => 8 << 10,
            // A whole dump: the walk needs all chains of a service.
            Self::NfTables | Self::IpTables => 64 << 10,
            // Some exchanges; a record with a head has half a KiB.
            Self::Pipeline => 24 << 10,
        }
    }

    /// Whether fuzz/dictionaries has words for it: text formats have long ones.
    pub(super) fn has_dictionary(self) -> bool {
        matches!(self, Self::Http1Head | Self::TraceContext)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::workspace::Workspace;

    fn stems(directory: &str) -> BTreeSet<String> {
        let directory = Workspace::new().unwrap().root().join(directory);
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                path.file_stem().unwrap().to_str().unwrap().to_owned()
            })
            .collect()
    }

    #[test]
    fn every_program_in_fuzz_targets_is_run_and_has_its_dictionary() {
        let names = |targets: &[Target]| targets.iter().map(|t| t.name()).collect();
        let all = Target::all();
        assert_eq!(stems("fuzz/fuzz_targets"), names(&all));
        let with: Vec<Target> = all.into_iter().filter(|t| t.has_dictionary()).collect();
        assert_eq!(stems("fuzz/dictionaries"), names(&with));
    }
}
