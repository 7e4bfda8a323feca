//! What proc(5) has of a process: what it holds of BPF, and its memory.

use std::{collections::BTreeSet, fs};

/// The fdinfo of each file descriptor of a process that can be read.
pub fn fdinfos(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"));
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .collect()
}

/// The ids of the programs (`prog_id:`) or links (`link_id:`) that a process holds.
pub fn held_ids(pid: u32, key: &str) -> BTreeSet<u32> {
    fdinfos(pid)
        .iter()
        .filter_map(|text| u32::try_from(number_after(text, key)?).ok())
        .collect()
}

/// The number on the line that begins with `key`.
pub fn number_after(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

/// The largest resident memory of a process so far, in bytes: VmHWM of proc(5). `None` if it has
/// ended.
pub fn peak_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(number_after(&status, "VmHWM:")? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_key() {
        let text = "pos:\t0\nlink_type:\tcgroup\nlink_id:\t7\nmemlock:\t4096 kB\n";
        assert_eq!(number_after(text, "link_id:"), Some(7));
        assert_eq!(number_after(text, "memlock:"), Some(4096));
        assert_eq!(number_after(text, "link_type:"), None);
        assert_eq!(number_after(text, "prog_id:"), None);
    }
}
