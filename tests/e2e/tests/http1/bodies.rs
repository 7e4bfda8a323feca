//! Bodies of 100 MB: the exchanges are traced, and hopspan copies nothing of the bodies.

use hopspan_e2e::{DialogueFixture, fill, send, take, until};

use super::traced_request::TracedRequest;

const BODY_BYTES: u64 = 100_000_000;
/// Enough for the dialogue and for the polls of the agent.
const JOURNEYS_MAX: u64 = 20;
/// Enough for journeys, heads, reads, devices, the polls of the agent, and a sample of the clocks
/// every second. A record for each segment of a body would be thousands.
const RECORDS_MAX: u64 = 400;

#[test]
fn bodies_of_100_megabytes_are_not_copied() {
    if hopspan_lab::skip("bodies_of_100_megabytes_are_not_copied") {
        return;
    }
    let upload = TracedRequest::new("POST", "/upload", "201");
    let download = TracedRequest::new("GET", "/download", "200");
    let dialogues = DialogueFixture::start("bodies").unwrap();
    let length = format!("Content-Length: {BODY_BYTES}\r\n");
    dialogues
        .play(
            &[
                until("\r\n\r\n"),
                take(BODY_BYTES),
                send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
                until("\r\n\r\n"),
                send(format!("HTTP/1.1 200 OK\r\n{length}\r\n")),
                fill(BODY_BYTES),
            ],
            &[
                send(upload.head(&length)),
                fill(BODY_BYTES),
                until("\r\n\r\n"),
                send(download.head("")),
                until("\r\n\r\n"),
                take(BODY_BYTES),
            ],
        )
        .unwrap();
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    upload.assert(&outcome.traces, true);
    download.assert(&outcome.traces, false);
    // SYN, SYN-ACK, two requests, two responses, and the handshakes of the fixture's own polls of the
    // agent. The bodies alone are thousands of packets.
    let journeys = outcome.report().number(&["kernel", "journeys", "closed"]);
    assert!(
        (6..=JOURNEYS_MAX).contains(&journeys),
        "{journeys} journeys"
    );
    let records = outcome.report().number(&["pipeline", "records"]);
    assert!(records < RECORDS_MAX, "{records} records");
}
