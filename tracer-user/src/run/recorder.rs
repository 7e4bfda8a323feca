//! Writes the recording of `--record`. In: records of the kernel programs, and the agent's own. Out: the
//! file, redacted unless `--record-raw` is given. The first failure ends it.

use std::{io, path::Path};

use tracer_pipeline::{recording::Writer, redaction::Redactor};

/// A recording that is being written.
pub(super) struct Recorder {
    /// `None` after a failure.
    writer: Option<Writer>,
    redactor: Option<Redactor>,
}

impl Recorder {
    /// Creates the file; see [`Writer::create`].
    pub(super) fn create(path: &Path, redactor: Option<Redactor>) -> io::Result<Self> {
        Ok(Self {
            writer: Some(Writer::create(path)?),
            redactor,
        })
    }

    /// Appends a record of the kernel programs.
    pub(super) fn record(&mut self, record: &[u8]) {
        match &mut self.redactor {
            _ if self.writer.is_none() => {}
            Some(redactor) => {
                let redacted = redactor.redact(record);
                self.entry(&redacted);
            }
            None => self.entry(record),
        }
    }

    /// Appends what the agent itself observed.
    pub(super) fn entry(&mut self, entry: &[u8]) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.write(entry)
        {
            tracing::error!("the recording ends here: {error}");
            self.writer = None;
        }
    }

    /// Flushes the file.
    pub(super) fn finish(self) -> io::Result<()> {
        self.writer.map_or(Ok(()), Writer::finish)
    }
}
