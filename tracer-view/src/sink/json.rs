//! OTLP/JSON lines. In: requests. Out: a file to which each request is appended as one line with
//! one write(2), so that a reader that follows the file sees whole requests (OTLP specification,
//! section JSON Protobuf Encoding; OTLP file exporter).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

/// Why the file or a line of it could not be written.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The file cannot be opened.
    #[error("open {path} for appending")]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The line cannot be written.
    #[error("append to {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
}

/// A file that is open for appending.
#[derive(Debug)]
pub struct JsonFile {
    path: PathBuf,
    file: File,
    line: Vec<u8>,
}

impl JsonFile {
    /// Opens `path`; creates the file if it does not exist.
    ///
    /// # Errors
    /// [`JsonError::Open`].
    pub fn open(path: &Path) -> Result<Self, JsonError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|source| JsonError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            line: Vec::new(),
        })
    }

    /// Appends one request. Each line is one write(2), so two viewers can append to one file.
    ///
    /// # Errors
    /// [`JsonError::Write`]; the file may end in a part of a line.
    pub fn append(&mut self, request: &ExportTraceServiceRequest) -> Result<(), JsonError> {
        self.line.clear();
        let encoded = serde_json::to_writer(&mut self.line, request).map_err(io::Error::from);
        self.line.push(b'\n');
        let written = encoded.and_then(|()| self.file.write_all(&self.line));
        written.map_err(|source| JsonError::Write {
            path: self.path.clone(),
            source,
        })
    }
}
