//! The cost in process of one message, from its packet to the end of its handler: load and subject
//! share a thread.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

use std::time::Duration;

use benches::in_process;
use benches::scenario::Scenario;
use benches::subject::Subject;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn dispatch(criterion: &mut Criterion) {
    for scenario in [
        Scenario::Consume { qos: 0 },
        Scenario::Consume { qos: 1 },
        Scenario::Request { outstanding: 64 },
    ] {
        let mut group = criterion.benchmark_group(scenario.to_string());
        group.throughput(Throughput::Elements(1));
        for subject in [Subject::Raw, Subject::Framework, Subject::Deduped] {
            group.bench_function(subject.to_string(), |bencher| {
                bencher.iter_custom(|messages| {
                    // The rate is measured from the first message to the last.
                    let messages = messages.max(1_000);
                    let figures = in_process::run(subject, scenario, messages)
                        .unwrap_or_else(|error| panic!("{error:#}"));
                    Duration::from_secs_f64(messages as f64 / figures["rate"])
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = dispatch
}
criterion_main!(benches);
