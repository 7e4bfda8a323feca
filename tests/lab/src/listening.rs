//! Whether a socket listens on a TCP port, read from /proc without sending a packet.
//!
//! Source: proc_net_tcp in the kernel's Documentation/networking; state 0A is TCP_LISTEN
//! (include/net/tcp_states.h).

use std::fs;

/// Whether a socket listens on the port, over IPv4 or IPv6, in the network namespace of the
/// process.
pub(crate) fn is_listening(pid: u32, port: u16) -> bool {
    let table = |file| fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
    ["tcp", "tcp6"]
        .into_iter()
        .any(|file| has_listener(&table(file), port))
}

fn has_listener(table: &str, port: u16) -> bool {
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next().and_then(|address| address.rsplit_once(':'));
        let state = fields.nth(1);
        state == Some("0A")
            && local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0 100 0 0 10 0
   1: 0200F40A:1F91 0300F40A:C350 01 00000000:00000000 00:00000000 00000000     0        0 1235 1 0 20 4 30 10 -1
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:10DD 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
";

    #[test]
    fn only_listeners_on_the_port_count() {
        let cases = [
            (TCP, 8080, true),
            (TCP, 8081, false),
            (TCP, 50000, false),
            (TCP6, 4317, true),
            (TCP6, 0, false),
            ("", 8080, false),
            ("header\n garbage\n 0: x y\n", 8080, false),
        ];
        for (table, port, expected) in cases {
            assert_eq!(has_listener(table, port), expected, "{port}");
        }
    }
}
