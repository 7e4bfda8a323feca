//! The text of known numbers.

mod queries;

use std::time::Duration;

use tracer_pipeline::{
    decode::fact::Kind,
    pipeline::{self, Pipeline},
    recording::Reader,
    span::{EdgeSnapshot, Failure},
};

use crate::{attach::Missing, capture, export};

use crate::rules::Mode;

use super::*;

/// One dispatch of HotROD, 13 exchanges.
const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tracer-pipeline/tests/recordings/dispatch.hopspan"
);

/// What the exchanges of a recording took.
fn edges() -> EdgeSnapshot {
    let mut pipeline = Pipeline::new("node-1");
    let mut spans = Vec::new();
    for record in Reader::open(RECORDING.as_ref()).unwrap() {
        pipeline.replay(&record.unwrap(), &mut spans);
    }
    pipeline.finish(&mut spans);
    pipeline.edges()
}

fn numbers() -> Numbers {
    let mut kernel = capture::Totals::default();
    for (index, counter) in Counter::ALL.into_iter().enumerate() {
        kernel.journeys.insert(counter.name(), index as u64 + 1);
    }
    kernel.hits = Hook::ALL.map(|hook| (hook.name(), 7)).into();
    Numbers {
        kernel,
        pair_losses: vec![capture::PairLoss {
            addresses: ["10.244.1.3", "10.244.1.5"].map(|address| address.parse().unwrap()),
            lost: 7,
        }],
        expired: 40,
        journeys: capture::Occupancy {
            entries: 3,
            max_entries: 65_536,
        },
        ring: capture::Occupancy {
            entries: 4096,
            max_entries: 1 << 22,
        },
        tables: Pipeline::new("node-1").tables(),
        pipeline: pipeline::Counts {
            records: 50,
            spans: 60,
            ..Default::default()
        },
        failures: vec![(
            Failure {
                reason: "NETFILTER_DROP".into(),
                service: "shop/web:http".into(),
                hop: "netfilter.forward",
            },
            3,
        )],
        edges: edges(),
        export: export::Totals {
            made: 60,
            sent: 58,
            failed: 1,
            dropped: 0,
        },
        queue: export::QueueOccupancy {
            spans: 1,
            max_spans: 100,
        },
    }
}

fn check(text: &str, line: &str) {
    assert!(
        text.lines().any(|found| found == line),
        "no line {line:?} in\n{text}"
    );
}

#[test]
fn every_counter_has_its_line() {
    let status = Arc::new(Status::new());
    status.set_missing(&[Missing {
        hook: Hook::PacketDrop,
        reason: "too old".to_owned(),
    }]);
    status.publish(numbers());
    status.set_rules(RulesState {
        modes: vec![Mode::Nftables],
        decisions: 12,
        reads: 2,
        last_read: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)),
        ..RulesState::default()
    });
    let sockets = capture::Occupancy {
        entries: 9,
        max_entries: 131_072,
    };
    status.set_maps(vec![("sockets".to_owned(), sockets)]);
    status.connection_displaced();
    let text = render(&status);
    for line in [
        r#"hopspan_map_entries{map="sockets"} 9"#,
        r#"hopspan_map_entries{map="journeys"} 3"#,
        r#"hopspan_map_capacity{map="sockets"} 131072"#,
        "hopspan_ring_buffer_peak_bytes 4096",
        "hopspan_ring_buffer_capacity_bytes 4194304",
        r#"hopspan_table_entries{table="connections"} 0"#,
        r#"hopspan_table_capacity{table="http1_exchanges"} 16384"#,
        "hopspan_http2_decoder_capacity_bytes 67108864",
        "hopspan_http_connections_displaced_total 1",
        r#"hopspan_failures_total{reason="NETFILTER_DROP",service="shop/web:http",hop="netfilter.forward"} 3"#,
        "# TYPE hopspan_journeys_opened counter",
        "hopspan_journeys_opened_total 1",
        "hopspan_journeys_closed_total 2",
        "hopspan_journeys_dropped_total 3",
        "hopspan_journeys_out_of_sight_total{reason=\"replaced\"} 4",
        "hopspan_journeys_out_of_sight_total{reason=\"mismatched\"} 6",
        "hopspan_journeys_out_of_sight_total{reason=\"expired\"} 40",
        "hopspan_journeys_under_way 3",
        "hopspan_journeys_max 65536",
        "hopspan_records_lost_total{reason=\"journey_map_full\"} 5",
        "hopspan_records_lost_total{reason=\"fragment_ring_full\"} 12",
        "hopspan_hook_hits_total{hook=\"socket_read\"} 7",
        "hopspan_hook_attached{hook=\"socket_read\"} 1",
        "hopspan_hook_attached{hook=\"packet_drop\"} 0",
        "hopspan_pipeline_total{what=\"records\"} 50",
        "hopspan_pipeline_total{what=\"spans\"} 60",
        "hopspan_pipeline_losses_total{stage=\"flow\",reason=\"journeys_unplaced\"} 0",
        "hopspan_spans_total{result=\"sent\"} 58",
        "hopspan_export_queue_spans 1",
        "hopspan_export_queue_max_spans 100",
        "hopspan_rules_mode{mode=\"nftables\"} 1",
        "hopspan_rules_decisions 12",
        "hopspan_rules_reads_total 2",
        "hopspan_rules_read_timestamp_seconds 1.5",
        &format!(
            "hopspan_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
    ] {
        check(&text, line);
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(
        text.contains("process_resident_memory_bytes "),
        "/proc is not read: {text}"
    );
}

#[test]
fn metrics_of_kubernetes_need_a_cluster() {
    let status = Arc::new(Status::new());
    assert!(!render(&status).contains("hopspan_kubernetes"));
    let pods = WatchState {
        connected: true,
        objects: 3,
        errors: 1,
        ..WatchState::default()
    };
    let services = (Kind::Service, WatchState::default());
    status.set_kubernetes([(Kind::Pod, pods), services].into());
    let text = render(&status);
    check(&text, "hopspan_kubernetes_connected{kind=\"pods\"} 1");
    check(&text, "hopspan_kubernetes_connected{kind=\"services\"} 0");
    check(&text, "hopspan_kubernetes_objects{kind=\"pods\"} 3");
    check(&text, "hopspan_kubernetes_errors_total{kind=\"pods\"} 1");
}
