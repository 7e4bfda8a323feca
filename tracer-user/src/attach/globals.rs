//! The read-only globals of the programs: their configuration.
//!
//! In: this kernel's types, the agent's network namespace, the cgroup that is followed. Out: bytes
//! by name, for the loader.

use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    os::unix::fs::MetadataExt as _,
};

use super::{AttachError, NETNS, Options, kernel_types::KernelTypes, offsets};

/// The global with the id of the cgroup that is followed: the inode number of its directory.
const FOLLOWED_CGROUP: &str = "FOLLOWED_CGROUP";

/// The read-only globals of the programs, by name.
pub(super) fn globals(
    options: &Options,
    netns: u32,
    types: &KernelTypes,
) -> Result<Vec<(&'static str, Vec<u8>)>, AttachError> {
    let mut globals = Vec::new();
    for (field, offset) in offsets::resolve(types) {
        if offset.is_none() && !field.is_optional() {
            let name = format!("{}.{}", field.structure, field.member);
            return Err(AttachError::Field(name));
        }
        globals.push((field.global, offset.unwrap_or(0).to_ne_bytes().to_vec()));
    }
    globals.push(("NODE_NETNS", netns.to_ne_bytes().to_vec()));
    let seed: u64 = RandomState::new().hash_one("remote");
    globals.push(("REMOTE_SEED", seed.to_ne_bytes().to_vec()));
    let level = if options.debug { u8::MAX } else { 0 };
    globals.push((aya_log::LEVEL, vec![level]));
    globals.push(("FOLLOW", (options.follow as u32).to_ne_bytes().to_vec()));
    // If the directory cannot be read, attaching to it fails with the error.
    let followed = fs::metadata(&options.cgroup).map_or(0, |directory| directory.ino());
    globals.push((FOLLOWED_CGROUP, followed.to_ne_bytes().to_vec()));
    Ok(globals)
}

/// Inode number of the network namespace of this process.
pub(super) fn netns() -> Result<u32, AttachError> {
    let inode = fs::metadata(NETNS).map_err(AttachError::Netns)?.ino();
    // kernel: ns_common.inum is an unsigned int.
    Ok(inode as u32)
}
