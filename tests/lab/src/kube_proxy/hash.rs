//! The hash in the names of chains and sets, the same in both modes.

use data_encoding::BASE32;
use sha2::{Digest, Sha256};

/// base32(sha256(text)): 56 characters.
pub(super) fn base32_sha256(text: &str) -> String {
    BASE32.encode(&Sha256::digest(text))
}
