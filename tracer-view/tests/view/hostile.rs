//! Malicious input. It must not send control characters to the terminal, break the columns, lose a
//! span or take long.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
use opentelemetry_semantic_conventions::attribute as otel;
use tracer_semconv::{Role, Side, attribute, party};
use tracer_view::decode::decode;
use tracer_view::merge::{merge, merge_requests};
use tracer_view::render::{Charset, Style, waterfall};
use tracer_view::span::Span;
use tracer_view::tree::Tree;

use crate::decoded;
use crate::fixture::{EPOCH_NS, SpanBuilder, application, data_plane, request, role_span, span};
use crate::printed::{UTF8_80, lines, printed, text};

/// Escape sequences that set the window title, clear the screen, make the terminal answer, and add
/// a link; characters that reverse the text and end the line.
const ATTACK: &str = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}6n\u{1b}]8;;http://x\u{1b}\\\u{202e}txt.exe\r\n\u{0}\u{8}\u{7f}\u{2028}";

/// With a row for every span, 80 cells wide.
const FULL_80: Style = Style {
    full: true,
    ..UTF8_80
};

fn assert_faster(started: Instant, limit: Duration) {
    let took = started.elapsed();
    assert!(took < limit, "{took:?}");
}

#[test]
fn no_control_character_reaches_the_terminal() {
    let attacked = |span: OtlpSpan| {
        let keys = [
            attribute::HOP,
            attribute::HOPS,
            attribute::EXCHANGE_ID,
            otel::NETWORK_INTERFACE_NAME,
            attribute::NAT_ORIGINAL,
            attribute::NAT_TRANSLATED,
            attribute::NAT_MASQUERADE,
            attribute::KUBE_PROXY_RULE,
            attribute::DROP_REASON,
            attribute::DROP_HOP,
            attribute::INCOMPLETE,
            party::DESTINATION.pod_name,
            otel::K8S_SERVICE_NAME,
            otel::DESTINATION_ADDRESS,
            otel::ERROR_TYPE,
        ];
        keys.into_iter().fold(
            OtlpSpan {
                name: ATTACK.to_owned(),
                ..span
            },
            |span, key| span.text(key, ATTACK),
        )
    };
    let roles = Role::ALL.iter().map(|role| role.as_str()).chain([ATTACK]);
    let net = roles.zip(2..).map(|(role, id)| {
        attacked(span(
            id,
            if id == 2 { 1 } else { id.min(4) - 1 },
            "",
            id,
            50,
        ))
        .text(attribute::ROLE, role)
    });
    let requests = [
        request(
            ATTACK,
            ATTACK,
            ATTACK,
            vec![attacked(span(1, 0, "", 0, 100))],
        ),
        data_plane(net.collect()),
    ];
    for charset in [Charset::Utf8, Charset::Ascii] {
        for width in [40, 80, 200] {
            let lines = lines(
                &requests,
                Style {
                    width,
                    charset,
                    full: true,
                },
            );
            let plain = text(&lines, false);
            let bad =
                |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
            assert!(!plain.contains(bad), "{plain:?}");
            assert!(charset == Charset::Utf8 || plain.is_ascii(), "{plain}");
            let sequences = text(&lines, true).matches('\u{1b}').count();
            let own = text(&lines, true).matches("\u{1b}[").count();
            assert_eq!(sequences, own, "only the viewer's SGR sequences");
        }
    }
}

#[test]
fn names_of_100_kilobytes() {
    let long = "n".repeat(100_000);
    let requests = [request(
        &long,
        &long,
        "app",
        vec![span(1, 0, &long, 0, 9).text(otel::ERROR_TYPE, &long)],
    )];
    for width in [40, 60, 80, 200, 10_000] {
        lines(&requests, Style { width, ..UTF8_80 });
    }
}

#[test]
fn a_trace_of_100_000_spans() {
    let started = Instant::now();
    let chain = (1..=50_000).map(|id| span(id, id - 1, "chain", id, 100_000));
    let fan = (50_001..=100_000).map(|id| span(id, 1, "fan", id, 10));
    let requests = [application("big", chain.chain(fan).collect())];
    let short = printed(&requests, UTF8_80);
    assert!(
        short.ends_with("more spans\n") && short.lines().count() <= 40,
        "{short}"
    );
    let full = printed(&requests, FULL_80);
    assert_eq!(full.lines().count(), 100_000 + 6);
    assert_faster(started, Duration::from_secs(60));
}

/// The merge visits each span once, not once for each span above or beside it.
#[test]
fn a_hundred_thousand_halves_below_and_beside_each_other() {
    let merged_fast = |spans: Vec<OtlpSpan>| {
        let spans = decoded::spans(&[
            application("a", vec![span(1, 0, "x", 0, 1)]),
            data_plane(spans),
        ]);
        let started = Instant::now();
        assert_eq!(merge(&spans).len(), spans.len());
        lines_of(&spans);
        assert_faster(started, Duration::from_secs(20));
    };
    let half = |id: u64, parent: u64| {
        let half = role_span(id, parent, Role::Request, id, 1).exchange(id);
        half.half(Side::Server)
    };
    merged_fast((2..=100_000).map(|id| half(id, id - 1)).collect());
    let failed = |id: u64| role_span(id, 1, Role::Connect, id, 1).half(Side::Client);
    let beside = (2..=50_000).map(|id| half(id, 1));
    merged_fast(beside.chain((50_001..=100_000).map(failed)).collect());
}

fn lines_of(spans: &[Span]) {
    let id = decode(&application("a", vec![span(1, 0, "x", 0, 1)])).spans[0].0;
    waterfall(id, &Tree::new(&merge(spans)), "", UTF8_80);
}

/// Both halves of one exchange under each other, of one id, and of every role.
#[test]
fn halves_that_cannot_be_halves() {
    let half = |id: u64, parent: u64, role: Role, side: Side| {
        role_span(id, parent, role, id, 5).exchange(7).half(side)
    };
    let mut spans = Vec::new();
    for (role, id) in Role::ALL.iter().zip((10..).step_by(10)) {
        spans.push(half(id, id + 1, *role, Side::Client));
        spans.push(half(id + 1, id, *role, Side::Server));
        spans.push(half(id + 2, id + 2, *role, Side::Server));
        spans.push(half(id + 3, id + 1, Role::Hop, Side::Server).text(attribute::HOP, "wire"));
        spans.push(half(id + 4, id, Role::Hop, Side::Client).text(attribute::HOP, "wire"));
    }
    let requests = [data_plane(spans)];
    for width in [40, 200] {
        assert!(lines(&requests, Style { width, ..UTF8_80 }).len() > 10);
    }
    merge_requests(&requests);
}

#[test]
fn times_at_the_ends_of_the_clock() {
    let at = |id: u64, start: u64, end: u64| OtlpSpan {
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..span(id, u64::from(id > 1), "t", 0, 0)
    };
    let requests = [application(
        "clock",
        vec![
            at(1, EPOCH_NS, EPOCH_NS + 1_000),
            at(2, 0, u64::MAX),
            at(3, u64::MAX, 0),
            at(4, u64::MAX, u64::MAX),
            at(5, 1, 0),
            at(6, 0, 0),
        ],
    )];
    for width in [40, 80, 200] {
        assert!(lines(&requests, Style { width, ..UTF8_80 }).len() >= 6);
    }
}

/// Random parents, roles and times: every span is in the tree once, and has a row with `--full`.
#[test]
fn random_traces_lose_nothing() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    };
    let roles: Vec<&str> = Role::ALL
        .iter()
        .map(|role| role.as_str())
        .chain(["none"])
        .collect();
    for round in 0..300 {
        let size = 1 + random(40);
        let mut by_layer: [Vec<OtlpSpan>; 2] = Default::default();
        for id in 1..=size {
            let parent = random(size + 3);
            let mut span = span(id, parent, "r", random(1_000), random(500));
            span.end_time_unix_nano -= random(200) * 1_000;
            let layer = random(2) as usize;
            by_layer[layer].push(span.text(attribute::ROLE, roles[random(6) as usize]));
        }
        let [application_spans, net] = by_layer;
        let requests = [application("r", application_spans), data_plane(net)];

        let spans = decoded::spans(&requests);
        let tree = Tree::new(&spans);
        let mut seen = vec![0; spans.len()];
        let mut open = tree.roots.clone();
        while let Some(id) = open.pop() {
            seen[id] += 1;
            assert!(seen[id] == 1, "round {round}: node {id} twice");
            open.extend(&tree.nodes[id].children);
        }
        assert!(
            seen.iter().all(|&times| times == 1),
            "round {round}: {seen:?}"
        );

        let full = printed(&requests, FULL_80);
        let rows = full
            .lines()
            .filter(|line| line.ends_with('│') || line.ends_with('┊'))
            .count();
        assert_eq!(rows as u64, size, "round {round}:\n{full}");
        lines(&requests, UTF8_80);
        lines(
            &requests,
            Style {
                width: 40,
                ..UTF8_80
            },
        );
    }
}
