//! The ending that the reports of two sockets imply, in each order.

use super::*;

/// Checks the ending after `reports`, each a word: `c` or `s` for the client's or the server's
/// socket, then `f` for its FIN, `p` for its peer's FIN, or the error with which it has closed, `0`
/// for none. Behind a colon, what the client has received or the server has sent. The time of a report
/// is its place, from 1.
fn check(reports: &str, expected: &str) {
    let mut evidence = EndEvidence::default();
    for (at_ns, report) in (1..).zip(reports.split_whitespace()) {
        let (report, seq) = match report.split_once(':') {
            Some((report, seq)) => (report, Some(seq.parse().unwrap())),
            None => (report, None),
        };
        let (side, what) = report.split_at(1);
        let side = match side {
            "c" => Side::Client,
            _ => Side::Server,
        };
        let (what, error) = match what {
            "f" => (CloseKind::Finished, None),
            "p" => (CloseKind::PeerFinished, None),
            "0" => (CloseKind::Closed, None),
            error => (CloseKind::Closed, Some(errno(error))),
        };
        let close = Close {
            cookie: 7,
            what,
            at_ns,
            error,
            received_seq: seq.filter(|_| side == Side::Client),
            sent_seq: seq.filter(|_| side == Side::Server),
            last_loss_ns: 0,
        };
        evidence.add(&close, side);
    }
    let ending = evidence.ending().map_or("none".to_owned(), |ending| {
        let by = ending.by.map_or(String::new(), |by| format!(" by {by:?}"));
        let until = ending.answered_until;
        let until = until.map_or(String::new(), |bytes| format!(" until {}", bytes.until()));
        format!("{:?}{by} at {}{until}", ending.cause, ending.at_ns)
    });
    assert_eq!(ending, expected, "{reports}");
}

fn errno(name: &str) -> u32 {
    let errno = match name {
        "RESET" => Errno::ECONNRESET,
        "PIPE" => Errno::EPIPE,
        "TIMEDOUT" => Errno::ETIMEDOUT,
        "UNREACHABLE" => Errno::EHOSTUNREACH,
        "ABORTED" => Errno::ECONNABORTED,
        other => panic!("{other}"),
    };
    (errno as i32).cast_unsigned()
}

#[test]
fn one_socket_is_seen() {
    for (reports, expected) in [
        // The close alone: of a half-closed socket, a RST, or the record of its FIN was lost.
        ("c0", "Closed by Client at 1"),
        ("s0", "Closed by Server at 1"),
        ("cABORTED", "Closed by Client at 1"),
        ("cRESET", "Reset by Server at 1"),
        ("sRESET", "Reset by Client at 1"),
        ("cTIMEDOUT", "TimedOut at 1"),
        ("cUNREACHABLE", "Unreachable at 1"),
        // Closed by its application, and acknowledged.
        ("cf c0", "Closed by Client at 1"),
        ("sf s0", "Closed by Server at 1"),
        // Given up by the client; the orphaned socket fails later.
        ("cf", "Closed by Client at 1"),
        ("cf cTIMEDOUT", "Closed by Client at 1"),
        ("cf cUNREACHABLE", "Closed by Client at 1"),
        ("cf cRESET", "Closed by Client at 1"),
        // Closed by the server; the client still sends, before or after its own close.
        ("cp", "Closed by Server at 1"),
        ("cp cPIPE", "Closed by Server at 1"),
        ("cp cf cRESET", "Closed by Server at 1"),
        ("cp cf cTIMEDOUT", "Closed by Server at 1"),
        ("cPIPE", "Closed by Server at 1"),
        // The client may wait for the response, and the response may wait to be sent.
        ("sp", "none"),
        ("sf", "none"),
        ("sp sf", "none"),
        ("sp s0", "Closed by Server at 2"),
        ("sp sf s0", "Closed by Server at 3"),
        ("sp sPIPE", "Closed by Client at 1"),
        ("sp sf sRESET", "Closed by Client at 1"),
        ("sPIPE", "Closed by Client at 1"),
        ("sp sTIMEDOUT", "TimedOut at 2"),
        ("sf sRESET", "Closed by Server at 1"),
        ("sf sTIMEDOUT", "Closed by Server at 1"),
    ] {
        check(reports, expected);
    }
}

#[test]
fn both_sockets_are_seen() {
    for (reports, expected) in [
        // Without a FIN only the receiver of a RST reports one.
        ("c0 sRESET", "Reset by Client at 1"),
        ("sRESET c0", "Reset by Client at 1"),
        ("s0 cRESET", "Reset by Server at 1"),
        ("cRESET s0", "Reset by Server at 1"),
        // The server resets, and the client closes before the RST arrives.
        ("s0 cf cRESET", "Reset by Server at 1"),
        // The server is killed: FIN, then RST to what the client still sends.
        ("sf cp sRESET cPIPE", "Closed by Server at 2"),
        ("sf cp cPIPE sRESET", "Closed by Server at 2"),
        ("cp s0 cPIPE", "Closed by Server at 1"),
        ("sf s0 cRESET", "Closed by Server at 1"),
        // The client closes, and the server answers to a socket that no longer reads.
        ("cf sp sPIPE cRESET", "Closed by Client at 1"),
        ("cf sp cRESET sf sRESET", "Closed by Client at 1"),
        ("cf c0 sRESET", "Closed by Client at 1"),
        // The FIN of the server does not arrive.
        ("sf cTIMEDOUT", "TimedOut at 2"),
        ("sf cf cUNREACHABLE", "Closed by Client at 2"),
        // The client has closed its sending side, and the server resets.
        ("sp s0 cRESET", "Reset by Server at 2"),
    ] {
        check(reports, expected);
    }
}

#[test]
fn the_ending_has_how_much_of_the_responses_has_come() {
    for (reports, expected) in [
        ("c0:50", "Closed by Client at 1 until 50"),
        ("s0:50", "Closed by Server at 1 until 50"),
        ("c0:0", "Closed by Client at 1 until 0"),
        ("cTIMEDOUT:50", "TimedOut at 1 until 50"),
        ("sUNREACHABLE:50 c0:40", "Unreachable at 1 until 40"),
        // A response may have arrived behind the FIN, and the other side's FIN.
        ("cf:50 c0:51", "Closed by Client at 1 until 51"),
        ("cp:50 c0", "Closed by Server at 1 until 50"),
        // The client's numbers count more, in any order.
        ("s0:90 cRESET:50", "Reset by Server at 1 until 50"),
        ("cRESET:50 s0:90", "Reset by Server at 1 until 50"),
        ("sf:90 cp:50 sRESET:90", "Closed by Server at 2 until 50"),
        // The server had more to send, before and after its FIN.
        ("sf:50 sRESET:90", "Closed by Server at 1 until 90"),
        ("sf:50 sTIMEDOUT:90", "Closed by Server at 1 until 90"),
        // The client may have waited for what was sent behind its FIN, until it sends a RST.
        ("sp:50 sf:70 s0:90", "Closed by Server at 3 until 90"),
        ("sp:50 sPIPE:90", "Closed by Client at 1 until 50"),
        ("sp:50 sf:70 sRESET:90", "Closed by Client at 1 until 50"),
        ("sRESET:50", "Reset by Client at 1 until 50"),
        ("sPIPE:50", "Closed by Client at 1 until 50"),
    ] {
        check(reports, expected);
    }
}
