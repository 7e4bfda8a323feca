//! Parses RST_STREAM, GOAWAY and SETTINGS. In: header and payload, possibly cut. Out: error codes,
//! the last stream, the size of the dynamic table.

use super::{FrameError, FrameHeader};

/// Identifier of `SETTINGS_HEADER_TABLE_SIZE` (RFC 9113 section 6.5.2).
const HEADER_TABLE_SIZE: u16 = 0x01;

/// Bytes of one setting.
const SETTING_BYTES: usize = 6;

/// Reads RST_STREAM (section 6.4): the error code.
///
/// # Errors
/// On stream 0, or unless the payload has exactly four bytes.
pub fn rst_stream(header: &FrameHeader, payload: &[u8]) -> Result<u32, FrameError> {
    if header.stream == 0 {
        return Err(FrameError::Stream);
    }
    match payload.first_chunk() {
        Some(code) if header.payload_bytes == 4 => Ok(u32::from_be_bytes(*code)),
        _ => Err(FrameError::Length),
    }
}

/// A GOAWAY frame (section 6.8), without its debug data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// Streams of the receiver with a greater id were not and will not be processed.
    pub last_stream: u32,
    /// Error code; 0 for an orderly end.
    pub code: u32,
}

/// Reads GOAWAY.
///
/// # Errors
/// On a stream other than 0, or with fewer than eight bytes.
pub fn goaway(header: &FrameHeader, payload: &[u8]) -> Result<GoAway, FrameError> {
    if header.stream != 0 {
        return Err(FrameError::Stream);
    }
    let [s0, s1, s2, s3, c0, c1, c2, c3] = *payload.first_chunk().ok_or(FrameError::Length)?;
    Ok(GoAway {
        last_stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        code: u32::from_be_bytes([c0, c1, c2, c3]),
    })
}

/// The effect of a SETTINGS frame on header compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settings {
    /// Size limit of the dynamic table that the sender of this frame uses for what it *receives*,
    /// in bytes.
    HeaderTableBytes(u32),
    /// The whole frame was seen and has no such setting.
    Unchanged,
    /// The frame was cut; the missing part may have the setting.
    Cut,
}

/// Reads SETTINGS (section 6.5). Of a repeated setting the last value counts.
///
/// # Errors
/// On a stream other than 0, or when the payload is not a whole number of settings.
pub fn settings(header: &FrameHeader, payload: &[u8]) -> Result<Settings, FrameError> {
    if header.stream != 0 {
        return Err(FrameError::Stream);
    }
    if !(header.payload_bytes as usize).is_multiple_of(SETTING_BYTES) {
        return Err(FrameError::Length);
    }
    let whole = payload.len() >= header.payload_bytes as usize;
    let (settings, _) = payload.as_chunks::<SETTING_BYTES>();
    let last = settings.iter().rev().find_map(header_table_bytes);
    Ok(match last {
        Some(bytes) => Settings::HeaderTableBytes(bytes),
        None if whole => Settings::Unchanged,
        None => Settings::Cut,
    })
}

fn header_table_bytes(setting: &[u8; SETTING_BYTES]) -> Option<u32> {
    let [i0, i1, v0, v1, v2, v3] = *setting;
    (u16::from_be_bytes([i0, i1]) == HEADER_TABLE_SIZE)
        .then(|| u32::from_be_bytes([v0, v1, v2, v3]))
}
