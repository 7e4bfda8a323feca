//! Connections that conntrack refused or evicted in this network namespace. Programs cannot see
//! these refusals: the drop reason of the packet is only NETFILTER_DROP.
//!
//! In: `/proc/net/stat/nf_conntrack`: a line of column names, then a line of hexadecimal numbers
//! for each CPU. Out: sums of the columns that count refusals. Empty on a kernel without the file
//! (CONFIG_NF_CONNTRACK_PROCFS).

const FILE: &str = "/proc/net/stat/nf_conntrack";

/// The columns that count refused or evicted connections (kernel: struct ip_conntrack_stat).
const COLUMNS: [&str; 3] = ["drop", "early_drop", "insert_failed"];

/// Reads the sums.
pub(super) fn read() -> Vec<(&'static str, u64)> {
    std::fs::read_to_string(FILE).map_or_else(|_| Vec::new(), |text| sums(&text))
}

fn sums(text: &str) -> Vec<(&'static str, u64)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let rows: Vec<Vec<&str>> = lines
        .map(|line| line.split_whitespace().collect())
        .collect();
    let sum = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .filter_map(|cell| u64::from_str_radix(cell, 16).ok())
            .sum()
    };
    let found = COLUMNS.into_iter().filter_map(|wanted| {
        let column = names.iter().position(|name| *name == wanted)?;
        Some((wanted, sum(column)))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_added_up() {
        let text = "entries  insert_failed drop early_drop\n\
                    0000000a 00000001 00000010 00000000\n\
                    0000000a 00000002 00000001 00000003\n";
        let expected = [("drop", 0x11), ("early_drop", 3), ("insert_failed", 3)];
        assert_eq!(sums(text), expected);
        assert_eq!(sums("entries drop\n0000000a zz\n0a\n"), [("drop", 0)]);
        assert_eq!(sums(""), []);
    }
}
