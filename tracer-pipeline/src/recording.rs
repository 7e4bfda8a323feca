//! Recordings: a file of raw records and snapshots.
//!
//! The format: eight bytes of magic, then for each entry its length (u32, little endian) and its bytes. An
//! entry is a record of the kernel programs or an encoded snapshot, in the byte order of the machine that
//! wrote it.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    path::Path,
};

const MAGIC: &[u8; 8] = b"hopspan1";
/// Bound on one entry. The longest are the rules of a large cluster.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// Writes a recording.
///
/// A recording of records that were not redacted holds captured heads with all their headers: handle it
/// like a packet capture.
pub struct Writer(BufWriter<File>);

impl Writer {
    /// Creates the file, readable by its owner only. It must not exist, nor a link of its name: what
    /// others have prepared there would keep its owner and mode.
    ///
    /// # Errors
    ///
    /// When the file exists or cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut writer = BufWriter::new(file);
        writer.write_all(MAGIC)?;
        Ok(Self(writer))
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or the entry has 4 GiB or more.
    pub fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let bytes = u32::try_from(record.len()).map_err(io::Error::other)?;
        self.0.write_all(&bytes.to_le_bytes())?;
        self.0.write_all(record)
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    ///
    /// When the disk is full.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads a recording, entry by entry.
pub struct Reader(BufReader<File>);

impl Reader {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is no recording.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic)?;
        if &magic != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a hopspan recording",
            ));
        }
        Ok(Self(reader))
    }

    fn record(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_RECORD_BYTES {
            let message = format!("record of {length} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut record = vec![0; length];
        self.0.read_exact(&mut record)?;
        Ok(Some(record))
    }
}

impl Iterator for Reader {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_a_new_file_of_its_owner() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        drop(Writer::create(&path).unwrap());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let link = directory.path().join("link");
        symlink(directory.path().join("target"), &link).unwrap();
        for taken in [path, link] {
            let error = Writer::create(&taken).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
    }

    #[test]
    fn records_come_back_as_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        let mut writer = Writer::create(&path).unwrap();
        for record in [&b"first"[..], b"", b"third"] {
            writer.write(record).unwrap();
        }
        writer.finish().unwrap();
        let records: Vec<Vec<u8>> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(records, [&b"first"[..], b"", b"third"]);
    }

    #[test]
    fn a_cut_recording_gives_what_is_whole_and_then_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording");
        std::fs::write(&path, b"hopspan1\x02\0\0\0ab\x09\0\0\0cd").unwrap();
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), b"ab");
        assert!(reader.next().unwrap().is_err());
    }

    #[test]
    fn another_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other");
        std::fs::write(&path, b"\x7fELF....").unwrap();
        assert!(Reader::open(&path).is_err());
    }
}
