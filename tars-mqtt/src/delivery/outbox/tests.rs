use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::super::ticket::Ticket;
use super::*;

type Putting<'o> = Pin<Box<dyn Future<Output = Result<()>> + 'o>>;

fn outbox(room: usize) -> Outbox {
    let outbox = Outbox::with_room(room, Arc::default());
    outbox.set_link(true);
    outbox
}

fn entry(topic: &str, qos: QoS) -> Entry {
    Entry::new(Publish::new(topic.to_owned(), "x".into(), qos, false))
}

/// One that takes so many places.
fn large(places: usize) -> Entry {
    let payload = vec![0; (places - 1) * PLACE];
    Entry::new(Publish::new("large".to_owned(), payload.into(), QoS::AtLeastOnce, false))
}

/// What comes of leaving a message, if that is known at once.
fn put(outbox: &Outbox, entry: Entry) -> Option<Result<()>> {
    outbox.put(entry).now_or_never()
}

fn is_put(outbox: &Outbox, topic: &str, qos: QoS) -> bool {
    matches!(put(outbox, entry(topic, qos)), Some(Ok(())))
}

/// Begins to leave a message for which there is no room.
fn waiting<'o>(outbox: &'o Outbox, topic: &str, qos: QoS) -> Putting<'o> {
    let mut putting: Putting = Box::pin(outbox.put(entry(topic, qos)));
    assert!((&mut putting).now_or_never().is_none(), "there is room for {topic}");
    putting
}

/// The session takes up to so many.
fn take(outbox: &Outbox, max: usize) -> Vec<String> {
    let (mut left, mut taken) = (max, VecDeque::new());
    let take = |_: &Entry| {
        let wants = left > 0;
        left = left.saturating_sub(1);
        wants
    };
    outbox.take_while(take, &mut taken);
    taken.iter().map(|entry| entry.publish.topic().to_owned()).collect()
}

#[test]
fn messages_are_taken_in_the_order_in_which_they_were_left() {
    let outbox = outbox(10);
    for (topic, qos) in [("a", QoS::AtLeastOnce), ("b", QoS::AtMostOnce), ("c", QoS::ExactlyOnce)] {
        assert!(is_put(&outbox, topic, qos));
    }
    assert_eq!(outbox.len(), 3);
    assert_eq!(take(&outbox, 2), ["a", "b"]);
    assert!(is_put(&outbox, "d", QoS::AtLeastOnce));
    assert_eq!(take(&outbox, 9), ["c", "d"]);
    assert!(take(&outbox, 9).is_empty());
}

#[test]
fn the_session_is_woken_by_each_message() {
    let wake = Arc::<Wake>::default();
    let outbox = Outbox::with_room(2, wake.clone());
    assert!(wake.woken().now_or_never().is_none());
    assert!(is_put(&outbox, "a", QoS::AtLeastOnce));
    assert!(wake.woken().now_or_never().is_some());
}

#[test]
fn a_handler_that_waits_for_room_has_the_session_woken_before() {
    let wake = Arc::<Wake>::default();
    let outbox = Arc::new(Outbox::with_room(1, wake.clone()));
    let task = Box::pin({
        let (outbox, wake) = (outbox.clone(), wake.clone());
        async move {
            assert!(is_put(&outbox, "a", QoS::AtLeastOnce));
            assert!(wake.woken().now_or_never().is_none(), "it gives its thread back soon");
            drop(waiting(&outbox, "b", QoS::AtLeastOnce));
            assert!(wake.woken().now_or_never().is_some(), "it may block its thread for that");
        }
    });
    assert!(wake.holding_back(task).now_or_never().is_some());
}

#[test]
fn what_is_not_wanted_stays_in_front() {
    let outbox = outbox(10);
    for (topic, qos) in [("a", QoS::AtMostOnce), ("b", QoS::AtLeastOnce), ("c", QoS::AtMostOnce)] {
        assert!(is_put(&outbox, topic, qos));
    }
    let mut taken = VecDeque::new();
    outbox.take_while(|entry| entry.publish.qos() == QoS::AtMostOnce, &mut taken);
    assert_eq!(taken.len(), 1, "the third must not overtake the second");
    assert_eq!(take(&outbox, 9), ["b", "c"]);
}

#[test]
fn publishers_wait_for_room_and_get_it_in_the_order_in_which_they_came() {
    let outbox = outbox(2);
    assert!(is_put(&outbox, "a", QoS::AtLeastOnce) && is_put(&outbox, "b", QoS::AtLeastOnce));
    let mut first = waiting(&outbox, "c", QoS::AtLeastOnce);
    let mut second = waiting(&outbox, "d", QoS::AtMostOnce);
    assert_eq!(take(&outbox, 1), ["a"]);
    assert!((&mut second).now_or_never().is_none(), "it is not its turn");
    assert!(matches!((&mut first).now_or_never(), Some(Ok(()))));
    assert_eq!(take(&outbox, 9), ["b", "c"]);
    assert!(matches!((&mut second).now_or_never(), Some(Ok(()))));
    assert_eq!(take(&outbox, 9), ["d"]);
}

#[test]
fn one_that_is_taken_gives_its_places_back_once() {
    let outbox = outbox(3);
    for _ in 0..1_000 {
        for _ in 0..3 {
            assert!(is_put(&outbox, "a", QoS::AtLeastOnce));
        }
        drop(waiting(&outbox, "b", QoS::AtLeastOnce));
        assert_eq!(take(&outbox, 9).len(), 3);
    }
    assert_eq!(outbox.taken(), 0);
}

#[test]
fn whoever_gives_up_waiting_leaves_no_message_and_takes_no_place() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let outbox = outbox(1);
        assert!(is_put(&outbox, "a", QoS::AtLeastOnce));
        let given_up = waiting(&outbox, "given up", qos);
        let mut next = waiting(&outbox, "next", QoS::AtLeastOnce);
        assert_eq!(take(&outbox, 9), ["a"]);
        // The place was its own already, although it has not heard of that.
        drop(given_up);
        assert!(matches!((&mut next).now_or_never(), Some(Ok(()))), "{qos:?}");
        assert_eq!(take(&outbox, 9), ["next"]);
        assert!(is_put(&outbox, "b", QoS::AtLeastOnce));
    }
}

#[test]
fn a_large_message_takes_the_places_of_several() {
    let outbox = outbox(8);
    for places in [1, 3] {
        assert!(put(&outbox, large(places)).is_some_and(|outcome| outcome.is_ok()));
    }
    assert_eq!(outbox.taken(), 4);
    let mut larger: Putting = Box::pin(outbox.put(large(6)));
    assert!((&mut larger).now_or_never().is_none());
    assert_eq!(take(&outbox, 1), ["large"]);
    assert!((&mut larger).now_or_never().is_none(), "five of six places are free");
    let mut small = waiting(&outbox, "small", QoS::AtLeastOnce);
    assert_eq!(take(&outbox, 1), ["large"]);
    assert!(matches!((&mut larger).now_or_never(), Some(Ok(()))), "nothing small went before it");
    assert!(matches!((&mut small).now_or_never(), Some(Ok(()))));
    assert_eq!(outbox.taken(), 7);
}

#[test]
fn even_the_largest_message_takes_no_more_than_half_of_all_places() {
    let outbox = Outbox::new(Arc::default());
    let huge = || {
        let payload = vec![0; CAPACITY as usize * PLACE];
        Entry::new(Publish::new("huge".to_owned(), payload.into(), QoS::AtLeastOnce, false))
    };
    for _ in 0..2 {
        assert!(put(&outbox, huge()).is_some_and(|outcome| outcome.is_ok()));
    }
    assert_eq!(outbox.taken(), CAPACITY as usize);
    drop(waiting(&outbox, "small", QoS::AtLeastOnce));
}

#[test]
fn without_a_connection_qos_0_is_refused_and_the_rest_accepted() {
    let outbox = Outbox::with_room(2, Arc::default());
    for up in [false, true, false] {
        outbox.set_link(up);
        let outcome = put(&outbox, entry("a", QoS::AtMostOnce));
        if up {
            assert!(matches!(outcome, Some(Ok(()))), "{outcome:?}");
            assert_eq!(take(&outbox, 9), ["a"]);
        } else {
            assert!(matches!(outcome, Some(Err(Error::Disconnected))), "{outcome:?}");
        }
        assert!(is_put(&outbox, "b", QoS::AtLeastOnce));
        assert_eq!(take(&outbox, 9), ["b"]);
    }
}

#[test]
fn whoever_waits_for_room_at_qos_0_is_told_when_the_connection_goes() {
    let outbox = outbox(1);
    assert!(is_put(&outbox, "a", QoS::AtLeastOnce));
    let mut at_most_once = waiting(&outbox, "b", QoS::AtMostOnce);
    let mut at_least_once = waiting(&outbox, "c", QoS::AtLeastOnce);
    outbox.set_link(false);
    let outcome = (&mut at_most_once).now_or_never();
    assert!(matches!(outcome, Some(Err(Error::Disconnected))), "{outcome:?}");
    assert!((&mut at_least_once).now_or_never().is_none(), "it waits for the next connection");
    assert_eq!(take(&outbox, 9), ["a"]);
    assert!(matches!((&mut at_least_once).now_or_never(), Some(Ok(()))));
}

#[test]
fn what_has_waited_too_long_is_given_up_in_order_and_makes_room() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let outbox = outbox(3);
    for second in 1..=3 {
        let mut late = entry(&second.to_string(), QoS::AtLeastOnce);
        late.deadline = Some(at(second));
        assert!(matches!(put(&outbox, late), Some(Ok(()))));
    }
    let mut next = waiting(&outbox, "next", QoS::AtLeastOnce);
    let expired = |now| -> Vec<String> {
        outbox.expire(now).iter().map(|entry| entry.publish.topic().to_owned()).collect()
    };
    assert_eq!(outbox.next_expiry(), Some(at(1)));
    assert!(expired(now).is_empty());
    assert_eq!(expired(at(2)), ["1", "2"], "a deadline belongs to what is late");
    assert_eq!(outbox.next_expiry(), Some(at(3)));
    assert!(matches!((&mut next).now_or_never(), Some(Ok(()))));
    assert_eq!(expired(at(9)), ["3"], "what has no deadline is not late");
    assert_eq!(outbox.next_expiry(), None);
    assert_eq!(take(&outbox, 9), ["next"]);
    assert_eq!(outbox.next_expiry(), None, "it is empty");
}

#[test]
fn once_closed_nothing_is_accepted_and_what_is_left_is_given_back() {
    let outbox = outbox(2);
    assert!(is_put(&outbox, "a", QoS::AtLeastOnce) && is_put(&outbox, "b", QoS::AtMostOnce));
    let waiting = [QoS::AtMostOnce, QoS::AtLeastOnce].map(|qos| waiting(&outbox, "waits", qos));
    let left = outbox.close();
    let topics: Vec<&str> = left.iter().map(|entry| entry.publish.topic()).collect();
    assert_eq!(topics, ["a", "b"]);
    for mut waits in waiting {
        let outcome = (&mut waits).now_or_never();
        assert!(matches!(outcome, Some(Err(Error::Stopped))), "{outcome:?}");
    }
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let outcome = put(&outbox, entry("late", qos));
        assert!(matches!(outcome, Some(Err(Error::Stopped))), "{outcome:?}");
    }
    assert!(outbox.close().is_empty() && take(&outbox, 9).is_empty() && outbox.len() == 0);
    assert_eq!(outbox.next_expiry(), None);
}

#[test]
fn whoever_had_room_when_it_was_closed_is_told_that_it_was() {
    let outbox = outbox(1);
    assert!(is_put(&outbox, "a", QoS::AtLeastOnce));
    let mut waits = waiting(&outbox, "b", QoS::AtLeastOnce);
    assert_eq!(take(&outbox, 9), ["a"]);
    // The place is its own, and there is nothing to put it into.
    assert!(outbox.close().is_empty());
    let outcome = (&mut waits).now_or_never();
    assert!(matches!(outcome, Some(Err(Error::Stopped))), "{outcome:?}");
}

#[test]
fn however_a_message_ends_its_receipt_is_told_and_the_message_it_answers_is_let_go() {
    for is_delivered in [true, false] {
        let handler = Ticket::open(&Arc::default());
        let ticket = handler.ticket().clone();
        let mut reply = entry("reply", QoS::AtLeastOnce);
        let (sender, mut receipt) = oneshot::channel();
        (reply.receipt, reply.hold) = (Some(sender), Some(ticket.hold_for_reply()));
        handler.release();
        assert!(!ticket.is_done(), "the broker has to acknowledge the reply");
        if is_delivered {
            reply.delivered();
        } else {
            reply.failed(Error::Timeout(Duration::from_secs(1)));
        }
        assert!(ticket.is_done());
        assert_eq!(receipt.try_recv().unwrap().is_ok(), is_delivered);
    }
}
