//! What goes out, and what becomes of it.

use super::bench::{Bench, config, just_before, millis, seconds};
use crate::error::Error;
use crate::qos::QoS;
use crate::session::Wants;

#[test]
fn what_a_broker_never_acknowledges_lets_others_out() {
    for limit in [None, Some(seconds(1))] {
        for (qos, window) in [(QoS::AtLeastOnce, 256), (QoS::ExactlyOnce, 1)] {
            let mut bench = Bench::connected(config().publish_timeout(limit), &[]);
            let deadline = limit.map(|limit| bench.now + limit);
            let ignored: Vec<_> =
                (0..window).map(|_| bench.publish("ignored", qos, deadline)).collect();
            assert_eq!(bench.turn().len(), window);
            let mut other = bench.publish("other", qos, None);
            let free = |mut receipt: tokio::sync::oneshot::Receiver<_>| receipt.try_recv();
            if limit.is_some() && qos == QoS::AtLeastOnce {
                assert!(bench.pass(just_before(seconds(1))).is_empty());
                assert_eq!(bench.pass(millis(1)), ["PUBLISH other"]);
                for receipt in ignored {
                    let outcome = free(receipt);
                    assert!(matches!(outcome, Ok(Err(Error::Timeout(_)))), "{outcome:?}");
                }
            } else {
                // Whether the broker has got past it shows at a ping.
                assert!(bench.pass(just_before(seconds(2))).is_empty());
                assert_eq!(bench.pass(millis(1)), ["PINGREQ"]);
                assert!(bench.pass(seconds(1)).is_empty());
                assert_eq!(bench.answer("PINGREQ"), ["PUBLISH other"]);
            }
            bench.answer("PUBLISH other");
            bench.answer("PUBREL");
            assert!(matches!(other.try_recv(), Ok(Ok(()))), "{limit:?} {qos:?}");
        }
    }
}

#[test]
fn a_message_fails_in_time_however_busy_the_service_is_while_offline() {
    let limit = millis(300);
    let mut bench = Bench::connected(config().health(true).publish_timeout(Some(limit)), &[]);
    bench.lose();
    for _ in 0..5 {
        let mut receipt = bench.publish("lost", QoS::AtLeastOnce, Some(bench.now + limit));
        for passed in 0..15 {
            assert!(receipt.try_recv().is_err(), "{passed}");
            bench.say(true, "still here");
            let (_stream, granted) = bench.subscribe("some/filter");
            drop(granted);
            // Whether the connection is being made or waited for.
            bench.pass(millis(20));
        }
        let outcome = receipt.try_recv();
        assert!(matches!(outcome, Ok(Err(Error::Timeout(found))) if found == limit), "{outcome:?}");
    }
    assert_eq!(bench.session.wants(), Wants::Dial);
}

#[test]
fn the_receipt_of_a_message_at_qos_0_tells_whether_it_was_written() {
    let mut bench = Bench::connected(config(), &[]);
    let mut written = bench.publish("a", QoS::AtMostOnce, None);
    assert_eq!(bench.turn(), ["PUBLISH a"]);
    assert!(matches!(written.try_recv(), Ok(Ok(()))));
}

#[test]
fn a_new_process_begins_with_other_identifiers_where_the_session_was_kept() {
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let mut bench = Bench::new(config(), &[]);
        bench.connect(true);
        let mut receipt = bench.publish("exactly", QoS::ExactlyOnce, None);
        // What an earlier process may have left under the identifier is released first.
        let written = bench.turn();
        let [released, published] = &written[..] else { panic!("{written:?}") };
        assert!(released.starts_with("PUBREL ") && published == "PUBLISH exactly", "{written:?}");
        firsts.push(released.clone());
        let written = bench.answer("PUBLISH");
        assert_eq!(written.first(), Some(released), "the message itself");
        bench.answer("PUBREL");
        assert!(matches!(receipt.try_recv(), Ok(Ok(()))));
    }
    // One in some thirty thousand processes begins where another one did.
    assert!(firsts[0] != firsts[1] || firsts[1] != firsts[2], "{firsts:?}");
    assert!(firsts.iter().any(|first| first != "PUBREL 1"), "{firsts:?}");
}
