//! Several streams of an HTTP/2 connection: those that are open when it ends are not answered.

use hopspan_e2e::{DialogueFixture, Parent, frames, send, until};

use super::unanswered::{self, End};

/// Streams that are never answered. Stream 1 is answered before.
const STREAMS: [u32; 3] = [3, 5, 7];

#[test]
fn every_end_of_a_connection_ends_all_open_streams() {
    if hopspan_lab::skip("every_end_of_a_connection_ends_all_open_streams") {
        return;
    }
    let dialogues = DialogueFixture::start("ends-h2").unwrap();
    let played = End::ALL.map(|ending| {
        let (answered, open) = (Parent::new(), STREAMS.map(|_| Parent::new()));
        let response = frames::response(1, "200");
        let server = vec![
            until(frames::settings()),
            send(frames::settings()),
            until("/answered"),
            send(&response),
        ];
        let mut client = vec![
            send(frames::preface()),
            until(frames::settings()),
            send(frames::get_traced(1, "/answered", &answered)),
            until(&response),
        ];
        let requests = STREAMS.iter().zip(&open);
        client.extend(requests.map(|(stream, parent)| {
            let path = format!("/waits/{stream}");
            send(frames::get_traced(*stream, &path, parent))
        }));
        ending.play(&dialogues, server, client, "/waits/7");
        (answered, open)
    });
    let outcome = dialogues.finish_after_close().unwrap();
    outcome.report().assert_nothing_lost();
    for (ending, (answered, open)) in End::ALL.iter().zip(&played) {
        println!("{ending:?}");
        let exchange = &answered.exchange(&outcome.traces);
        assert_eq!(exchange.attribute("http.response.status_code"), "200");
        assert_eq!(exchange.attribute("error.type"), "");
        let (error, closed_by) = ending.attributes();
        for parent in open {
            unanswered::assert(&outcome.traces, parent, error, closed_by);
        }
    }
}
