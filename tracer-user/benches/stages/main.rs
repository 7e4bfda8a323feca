//! How long each pure stage takes, on what a real dispatch of HotROD gives it, and all of them in a
//! row. In: the recording in the repository. Out: criterion's report; `cargo xtask bench --only stages`
//! reads its samples. One run is the whole recording, so that a stage's cost is what it costs there.

mod recorded;

use std::hint::black_box;

use anyhow::Context as _;
use criterion::{BatchSize, BenchmarkGroup, Criterion, measurement::WallTime};
use tracer_pipeline::{
    decode::decode,
    http::{
        UrlPaths,
        head::{RequestHead, ResponseHead},
    },
    http2::{headers, hpack::Decoder},
    path::build_path,
    pipeline::Pipeline,
    span::{
        Context, Detail, DetailChoice, ExchangeTrace, NamedExchange, ServiceName, Span, SpanSource,
    },
};
use tracer_user::export::Encoder;

use recorded::{Recorded, events, exchanges};

fn main() -> anyhow::Result<()> {
    let recorded = Recorded::read().context("read what the stages are fed with")?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("stages");
    to_events(&mut group, &recorded);
    to_exchanges(&mut group, &recorded);
    to_spans(&mut group, &recorded);
    whole_pipeline(&mut group, &recorded);
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn to_events(group: &mut BenchmarkGroup<'_, WallTime>, recorded: &Recorded) {
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            for record in &recorded.raw {
                let _ = black_box(decode(black_box(record)));
            }
        });
    });
    group.bench_function("flow", |bencher| {
        bencher.iter(|| {
            events(black_box(&recorded.records), |event| {
                black_box(event);
            });
        });
    });
}

fn to_exchanges(group: &mut BenchmarkGroup<'_, WallTime>, recorded: &Recorded) {
    group.bench_function("http_heads", |bencher| {
        bencher.iter(|| {
            for head in &recorded.requests {
                let _ = black_box(RequestHead::parse(black_box(head)));
            }
            for head in &recorded.responses {
                let _ = black_box(ResponseHead::parse(black_box(head)));
            }
        });
    });
    group.bench_function("flow_and_http", |bencher| {
        bencher.iter(|| exchanges(black_box(&recorded.records)));
    });
    group.bench_function("hpack", |bencher| {
        bencher.iter_batched(
            || Decoder::new(headers::retained_part),
            |mut decoder| {
                for block in &recorded.header_blocks {
                    let _ = decoder.decode(black_box(block), |field| {
                        black_box(field);
                    });
                }
            },
            BatchSize::SmallInput,
        );
    });
}

fn to_spans(group: &mut BenchmarkGroup<'_, WallTime>, recorded: &Recorded) {
    group.bench_function("path", |bencher| {
        bencher.iter(|| {
            for journey in &recorded.journeys {
                black_box(build_path(
                    black_box(journey),
                    None,
                    &recorded.devices,
                    &recorded.drop_reasons,
                ));
            }
        });
    });
    let context = Context {
        clock: &recorded.clock,
        devices: &recorded.devices,
        rules: &recorded.rules,
        drop_reasons: &recorded.drop_reasons,
        directory: &recorded.who,
        node: "node",
        service_name: ServiceName::Hopspan,
        url_paths: UrlPaths::default(),
    };
    let mut detail = DetailChoice::default();
    detail.set_detail(Detail::Hop);
    let traced: Vec<(_, _, ExchangeTrace)> = recorded
        .exchanges
        .iter()
        .filter_map(|exchange| {
            let sides = SpanSource::Exchange(exchange.clone()).sides();
            Some((exchange, sides, ExchangeTrace::of(exchange)?))
        })
        .collect();
    group.bench_function("spans", |bencher| {
        bencher.iter(|| {
            for (exchange, sides, trace) in &traced {
                let traced = NamedExchange::new(black_box(exchange), sides, &context);
                black_box(traced.spans(*trace, 0, &mut detail));
            }
        });
    });
    let spans_of = |(exchange, sides, trace): &(&_, _, ExchangeTrace)| {
        NamedExchange::new(exchange, sides, &context).spans(*trace, 0, &mut detail)
    };
    let spans: Vec<Vec<Span>> = traced.iter().map(spans_of).collect();
    let mut encoder = Encoder::for_this_node();
    group.bench_function("otlp", |bencher| {
        bencher.iter(|| black_box(encoder.request(black_box(&spans))));
    });
}

fn whole_pipeline(group: &mut BenchmarkGroup<'_, WallTime>, recorded: &Recorded) {
    group.bench_function("pipeline", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut pipeline = Pipeline::new("node");
                pipeline.detail().set_detail(Detail::Hop);
                (pipeline, Vec::new())
            },
            |(pipeline, out)| {
                for record in &recorded.raw {
                    pipeline.push(black_box(record), out);
                }
                pipeline.finish(out);
            },
            BatchSize::SmallInput,
        );
    });
}
