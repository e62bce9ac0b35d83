//! When reading waits for a handler.

use super::bench::{Bench, QUEUE, config, millis};
use crate::qos::QoS;

/// Reads messages at QoS 0 as long as there are any and the session reads.
fn flood(bench: &mut Bench, topic: &str, count: usize) -> usize {
    for read in 0..count {
        if !bench.session.reads(bench.now) {
            return read;
        }
        bench.deliver(topic, &read.to_string(), 0);
    }
    count
}

#[test]
fn a_handler_that_keeps_up_loses_nothing_of_a_flood_and_reading_waits_for_it() {
    let mut bench = Bench::connected(config(), &[("fast", QoS::AtMostOnce)]);
    let (mut read, mut handled) = (0, 0);
    while read < 50 * QUEUE {
        read += flood(&mut bench, "fast", 50 * QUEUE - read);
        assert!(read == 50 * QUEUE || read - handled == QUEUE, "as many as there is room for");
        bench.pass(millis(1));
        handled += bench.handle(0).len();
    }
    assert_eq!(handled, 50 * QUEUE);
}

#[test]
fn reading_goes_on_without_a_handler_that_does_nothing() {
    let mut bench =
        Bench::connected(config(), &[("stuck", QoS::AtMostOnce), ("other", QoS::AtLeastOnce)]);
    assert_eq!(flood(&mut bench, "stuck", 2 * QUEUE), QUEUE);
    bench.pass(millis(499));
    assert!(!bench.session.reads(bench.now));
    bench.pass(millis(1));
    assert_eq!(flood(&mut bench, "stuck", 2 * QUEUE), 2 * QUEUE);
    bench.deliver("other", "x", 1);
    assert_eq!(bench.handle(1), ["x"]);
    assert_eq!(bench.turn(), ["PUBACK 1"]);
}
