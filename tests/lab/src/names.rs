//! The names under which a lab is visible on the machine. All are derived from its id, so that the
//! id is enough to find what a dead owner left behind.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;

/// The directory of lock files.
pub(crate) const LOCK_DIR: &str = "/run/hopspan-lab";
/// The directory of named network namespaces, see ip-netns(8).
pub(crate) const NETNS_DIR: &str = "/run/netns";

/// The prefix of the names of a lab's network namespaces.
pub(crate) fn netns_prefix(id: &str) -> String {
    format!("hs{id}-")
}

/// The name of the lab's cgroup below the cgroup v2 mount, and of its log directory below the
/// temporary directory.
pub(crate) fn directory(id: &str) -> String {
    format!("hopspan-lab-{id}")
}

/// The path of a named network namespace.
pub(crate) fn netns_path(name: &str) -> PathBuf {
    Path::new(NETNS_DIR).join(name)
}

/// Random bytes as lower-case hexadecimal digits, two a byte.
pub(crate) fn random_hex(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut buffer))
        .context("read /dev/urandom")?;
    Ok(HEXLOWER.encode(&buffer))
}

/// A version 4 UUID (RFC 9562, section 5.4), like a pod's uid from the API server.
pub(crate) fn random_uuid() -> Result<String> {
    let hex = random_hex(16)?;
    let variant = match hex.as_bytes()[16] {
        b'0' | b'4' | b'8' | b'c' => '8',
        b'1' | b'5' | b'9' | b'd' => '9',
        b'2' | b'6' | b'a' | b'e' => 'a',
        _ => 'b',
    };
    Ok(format!(
        "{}-{}-4{}-{variant}{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..]
    ))
}

/// Refuses names that Kubernetes would refuse as a label (RFC 1123), and which could be harmful in
/// paths and rules.
pub(crate) fn check_dns_label(kind: &str, name: &str) -> Result<()> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let ends = !name.starts_with('-') && !name.ends_with('-');
    ensure!(
        letters && ends && (1..=63).contains(&name.len()),
        "{kind} {name:?} is not a DNS label: use 1 to 63 of a-z, 0-9 and -, with no - at the ends"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_have_version_and_variant() {
        for _ in 0..64 {
            let uuid = random_uuid().unwrap();
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4', "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }

    #[test]
    fn dns_labels_are_those_of_kubernetes() {
        for name in ["node", "web-0", "7", &"a".repeat(63)] {
            assert!(check_dns_label("pod", name).is_ok(), "{name:?}");
        }
        for name in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a.b",
            "a/b",
            "a\nb",
            "..",
            &"a".repeat(64),
        ] {
            assert!(check_dns_label("pod", name).is_err(), "{name:?}");
        }
    }
}
