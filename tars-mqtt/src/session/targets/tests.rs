use std::collections::VecDeque;

use futures_util::FutureExt as _;

use super::*;
use crate::delivery::Overflow;

/// Room in each queue: more than twice what a handler must take in order not to count as slow.
const CAPACITY: usize = 200;

struct Bench {
    targets: Targets,
    wake: Arc<Wake>,
    now: Instant,
}

/// One that messages are handed to.
struct Taker {
    id: TargetId,
    queue: Arc<Queue>,
}

impl Bench {
    fn new() -> Self {
        let wake = Arc::<Wake>::default();
        Self { targets: Targets::new(wake.clone()), wake, now: Instant::now() }
    }

    fn add(&mut self, filter: &str, change: impl FnOnce(&mut NewTarget)) -> Taker {
        let queue = Arc::new(Queue::new(CAPACITY, Overflow::DropOldest, self.wake.clone()));
        let mut target = NewTarget {
            name: format!("the handler of {filter}"),
            filter: filter.to_owned(),
            queue: queue.clone(),
            workers: 1,
            done_on_receive: false,
            qos: QoS::AtLeastOnce,
            stream: None,
            gets_all: true,
        };
        change(&mut target);
        Taker { id: self.targets.add(target), queue }
    }

    fn handler(&mut self, filter: &str) -> Taker {
        self.add(filter, |_| {})
    }

    fn stream(&mut self, filter: &str, number: u64) -> Taker {
        self.add(filter, |target| target.stream = Some(number))
    }

    /// Hands a message on, as the session does with one that has come.
    fn come(&mut self, topic: &str, qos: QoS) -> Handed {
        self.targets.hand_on(message(topic, qos), qos > QoS::AtMostOnce, false)
    }

    /// A message at QoS 1, with what it waits for.
    fn tracked(&mut self, topic: &str) -> Arc<Ticket> {
        let handed = self.come(topic, QoS::AtLeastOnce);
        let Handed::On(Some(ticket)) = handed else { panic!("{handed:?}") };
        self.targets.flush(self.now);
        ticket
    }

    /// Reads messages at QoS 0 as long as there are any and the session reads.
    fn flood(&mut self, topic: &str, count: usize) -> usize {
        for read in 0..count {
            if self.targets.congested(self.now) {
                return read;
            }
            self.come(topic, QoS::AtMostOnce);
        }
        count
    }

    fn pass(&mut self, looks: u32) {
        self.now += PATIENCE * looks;
    }
}

impl Taker {
    /// Takes up to so many messages, which are being handled from then on.
    fn take(&self, max: usize) -> VecDeque<Job> {
        let mut jobs = VecDeque::new();
        let mut taking = Box::pin(self.queue.take(max, &mut jobs));
        // It gives its thread back once, so that the session can fill the queue.
        if (&mut taking).now_or_never().is_none() {
            let _ = (&mut taking).now_or_never();
        }
        drop(taking);
        jobs
    }

    /// Handles up to so many messages. Returns their topics.
    fn handle(&self, max: usize) -> Vec<String> {
        let handle = |job: Job| {
            if let Some(hold) = job.hold {
                hold.release();
            }
            self.queue.done();
            job.message.topic().to_owned()
        };
        self.take(max).into_iter().map(handle).collect()
    }
}

fn message(topic: &str, qos: QoS) -> Message {
    Message { topic: topic.into(), payload: "x".into(), qos, retain: false, dup: false }
}

#[test]
fn a_message_goes_to_all_that_match_it_and_to_nobody_else() {
    let mut bench = Bench::new();
    let [wide, exact, other] = ["a/#", "a/b", "a/c"].map(|filter| bench.handler(filter));
    for topic in ["a/b", "a/c", "a/d"] {
        bench.come(topic, QoS::AtMostOnce);
    }
    bench.targets.flush(bench.now);
    assert_eq!(wide.handle(9), ["a/b", "a/c", "a/d"]);
    assert_eq!(exact.handle(9), ["a/b"]);
    assert_eq!(other.handle(9), ["a/c"]);
    let handed = bench.come("b", QoS::AtLeastOnce);
    assert!(matches!(&handed, Handed::Unhandled(message) if message.topic() == "b"), "{handed:?}");
}

#[test]
fn a_tracked_message_is_done_when_all_that_it_went_to_are() {
    let mut bench = Bench::new();
    let [one, two] = ["a/+", "a/b"].map(|filter| bench.handler(filter));
    let ticket = bench.tracked("a/b");
    assert!(!ticket.is_done());
    one.handle(1);
    assert!(!ticket.is_done(), "one of two");
    two.handle(1);
    assert!(ticket.is_done());
}

#[test]
fn nobody_waits_for_a_message_that_is_not_tracked() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    let handed = bench.come("a", QoS::AtMostOnce);
    assert!(matches!(handed, Handed::On(None)), "{handed:?}");
    // A first copy at QoS 0 is tracked: one that comes at QoS 1 is done when it is.
    let handed = bench.targets.hand_on(message("a", QoS::AtMostOnce), true, false);
    let Handed::On(Some(ticket)) = handed else { panic!("{handed:?}") };
    bench.targets.flush(bench.now);
    let held: Vec<bool> = taker.take(9).iter().map(|job| job.hold.is_some()).collect();
    assert_eq!(held, [false, true]);
    assert!(!ticket.is_done(), "it was taken and never released");
}

#[test]
fn a_message_above_what_its_handler_asks_for_waits_only_where_that_is_more_than_qos_0() {
    for (asked, waits) in
        [(QoS::AtMostOnce, false), (QoS::AtLeastOnce, true), (QoS::ExactlyOnce, true)]
    {
        let mut bench = Bench::new();
        let taker = bench.add("a", |target| target.qos = asked);
        let ticket = bench.tracked("a");
        assert_eq!(ticket.is_done(), !waits, "{asked:?}");
        assert_eq!(taker.handle(9), ["a"], "it gets the message all the same");
        assert!(ticket.is_done());
    }
}

#[test]
fn a_message_is_done_on_receipt_where_its_handler_says_so_and_others_still_hold_it() {
    let mut bench = Bench::new();
    let prompt = bench.add("a/b", |target| target.done_on_receive = true);
    assert!(bench.tracked("a/b").is_done());
    let patient = bench.handler("a/+");
    let ticket = bench.tracked("a/b");
    assert_eq!(prompt.handle(9).len(), 2);
    assert!(!ticket.is_done());
    patient.handle(9);
    assert!(ticket.is_done());
}

#[test]
fn while_quiesced_only_streams_are_given_messages_and_only_those_that_no_handler_takes() {
    let mut bench = Bench::new();
    let handler = bench.handler("both");
    let streams = [bench.stream("both", 1), bench.stream("answer", 2)];
    let mut hand_on = |topic| bench.targets.hand_on(message(topic, QoS::AtLeastOnce), true, true);
    let Handed::On(Some(ticket)) = hand_on("answer") else { panic!("it is for a stream alone") };
    // Left with the broker, and yet shown to those who may wait for it as an answer.
    assert!(matches!(hand_on("both"), Handed::Left));
    // What nobody takes now may be for a handler of the next start.
    assert!(matches!(hand_on("nobody"), Handed::Left));
    bench.targets.flush(bench.now);
    assert!(handler.take(9).is_empty());
    assert!(streams[0].take(9).iter().all(|job| job.hold.is_none()), "nothing waits for it");
    assert!(!ticket.is_done());
    assert_eq!(streams[1].handle(9), ["answer"]);
    assert!(ticket.is_done());
}

#[test]
fn messages_are_put_into_their_queue_in_the_order_in_which_they_came() {
    let mut bench = Bench::new();
    let taker = bench.handler("+");
    let topics: Vec<String> = (0..20).map(|index| index.to_string()).collect();
    for (index, topic) in topics.iter().enumerate() {
        let qos = if index % 2 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        bench.come(topic, qos);
        if index % 7 == 0 {
            bench.targets.flush(bench.now);
        }
    }
    assert!(bench.targets.has_staged());
    bench.targets.flush(bench.now);
    assert!(!bench.targets.has_staged());
    assert_eq!(taker.handle(99), topics);
}

#[test]
fn reading_waits_for_a_full_queue_until_it_is_half_empty() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    assert_eq!(bench.flood("a", 2 * CAPACITY), CAPACITY, "as many as there is room for");
    assert_eq!(bench.targets.patience_ends(), Some(bench.now + PATIENCE));
    taker.handle(CAPACITY / 2 - 1);
    assert!(bench.targets.congested(bench.now), "not for every single place");
    assert!(bench.wake.woken().now_or_never().is_none());
    taker.handle(1);
    assert!(bench.wake.woken().now_or_never().is_some(), "the session is woken");
    assert!(!bench.targets.congested(bench.now));
    assert_eq!(bench.targets.patience_ends(), None);
    assert_eq!(bench.flood("a", CAPACITY), CAPACITY / 2, "what there is room for now");
    assert_eq!(taker.queue.dropped(), 0);
}

#[test]
fn reading_waits_for_no_queue_of_messages_that_stay_unacknowledged() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    for _ in 0..3 * CAPACITY {
        assert!(!bench.targets.congested(bench.now));
        bench.come("a", QoS::AtLeastOnce);
    }
    bench.targets.flush(bench.now);
    assert_eq!(taker.take(usize::MAX).len(), 3 * CAPACITY, "the broker's window bounds them");
}

#[test]
fn a_full_queue_of_messages_that_nobody_waits_for_holds_up_reading_whatever_their_qos() {
    let mut bench = Bench::new();
    bench.add("a", |target| target.done_on_receive = true);
    let mut read = 0;
    while read < 2 * CAPACITY && !bench.targets.congested(bench.now) {
        bench.come("a", QoS::AtLeastOnce);
        read += 1;
    }
    assert_eq!(read, CAPACITY);
}

#[test]
fn a_handler_that_takes_few_of_its_full_queue_is_waited_for_once_and_then_loses_messages() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    assert_eq!(bench.flood("a", CAPACITY + 1), CAPACITY);
    taker.handle(PROGRESS - 1);
    bench.now += PATIENCE.checked_sub(Duration::from_millis(1)).unwrap();
    assert!(bench.targets.congested(bench.now), "its time is not over");
    bench.now += Duration::from_millis(1);
    assert!(!bench.targets.congested(bench.now), "it does not keep up");
    assert_eq!(bench.targets.patience_ends(), None);
    assert_eq!(bench.flood("a", 5 * CAPACITY), 5 * CAPACITY);
    bench.targets.flush(bench.now);
    assert_eq!(taker.queue.load(), CAPACITY);
    assert_eq!(taker.queue.dropped(), (5 * CAPACITY - (PROGRESS - 1)) as u64);
}

#[test]
fn a_handler_that_keeps_up_is_waited_for_again_and_loses_nothing() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    let (mut read, mut handled) = (0, 0);
    while read < 10 * CAPACITY {
        read += bench.flood("a", 10 * CAPACITY - read);
        bench.pass(1);
        // As slow as one may be, and half of it in the middle of a batch.
        handled += taker.handle(PROGRESS).len();
    }
    bench.targets.flush(bench.now);
    handled += taker.handle(usize::MAX).len();
    assert_eq!((handled, taker.queue.dropped()), (10 * CAPACITY, 0));
}

#[test]
fn a_handler_has_to_keep_up_as_long_as_it_is_waited_for() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    bench.flood("a", CAPACITY + 1);
    taker.handle(PROGRESS);
    bench.pass(1);
    assert!(bench.targets.congested(bench.now));
    taker.handle(PROGRESS / 2 - 1);
    bench.pass(1);
    assert!(!bench.targets.congested(bench.now), "what it did before does not count");
    assert!(bench.targets.patience_ends().is_none() && taker.queue.load() > CAPACITY / 2);
}

#[test]
fn a_handler_whose_thread_has_not_run_at_all_is_waited_for_five_times_as_long() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    assert_eq!(bench.flood("a", CAPACITY + 1), CAPACITY);
    for look in 1..IDLE_LOOKS {
        bench.pass(1);
        assert!(bench.targets.congested(bench.now), "look {look}");
        assert_eq!(bench.targets.patience_ends(), Some(bench.now + PATIENCE));
    }
    bench.pass(1);
    assert!(!bench.targets.congested(bench.now));
    // It has not begun with anything, but the thread may have taken what it will begin with.
    taker.take(1);
    assert_eq!(bench.flood("a", CAPACITY), CAPACITY);
}

#[test]
fn a_slow_handler_is_waited_for_again_once_its_queue_was_half_empty() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    bench.flood("a", CAPACITY + 1);
    taker.handle(1);
    bench.pass(1);
    assert_eq!(bench.flood("a", 3 * CAPACITY), 3 * CAPACITY, "it is slow");
    bench.targets.flush(bench.now);
    let dropped = taker.queue.dropped();
    taker.handle(CAPACITY / 2 + 1);
    // Which shows with what comes next.
    bench.come("a", QoS::AtMostOnce);
    bench.targets.flush(bench.now);
    assert_eq!(bench.flood("a", CAPACITY), CAPACITY / 2, "as many as there is room for");
    assert_eq!(taker.queue.dropped(), dropped);
}

#[test]
fn each_full_queue_has_its_own_time_and_the_last_one_ends_the_wait() {
    let mut bench = Bench::new();
    let [slow, quick] = ["slow", "quick"].map(|filter| bench.handler(filter));
    for _ in 0..CAPACITY {
        bench.come("slow", QoS::AtMostOnce);
    }
    assert!(bench.targets.congested(bench.now));
    slow.handle(1);
    // What was read together with that is handed on all the same.
    for _ in 0..CAPACITY {
        bench.come("quick", QoS::AtMostOnce);
    }
    bench.pass(1);
    assert!(bench.targets.congested(bench.now), "the other one has only begun");
    quick.handle(CAPACITY / 2);
    assert!(!bench.targets.congested(bench.now));
    assert_eq!(bench.flood("slow", CAPACITY), CAPACITY, "it is slow");
}

#[test]
fn a_target_that_is_removed_while_its_queue_is_full_ends_the_wait_for_it() {
    let mut bench = Bench::new();
    let [one, two] = ["one", "two"].map(|filter| bench.handler(filter));
    for topic in ["one", "two"] {
        for _ in 0..CAPACITY {
            bench.come(topic, QoS::AtMostOnce);
        }
    }
    assert!(bench.targets.congested(bench.now));
    assert_eq!(bench.targets.remove(one.id, bench.now).as_deref(), Some("one"));
    assert!(bench.targets.congested(bench.now), "the other one is full too");
    assert_eq!(bench.targets.remove(two.id, bench.now).as_deref(), Some("two"));
    assert_eq!(bench.targets.patience_ends(), None);
    // The next one in its place is not waited for, whatever it has.
    assert_eq!(bench.handler("three").id, two.id);
    for _ in 0..CAPACITY {
        bench.come("three", QoS::AtLeastOnce);
    }
    assert!(!bench.targets.congested(bench.now));
}

#[test]
fn a_target_that_is_removed_lets_go_of_all_that_it_was_given() {
    let mut bench = Bench::new();
    let [taker, other] = ["a", "+"].map(|filter| bench.handler(filter));
    let queued = bench.tracked("a");
    let Handed::On(Some(staged)) = bench.come("a", QoS::AtLeastOnce) else { panic!("it is new") };
    bench.targets.remove(taker.id, bench.now);
    for ticket in [&queued, &staged] {
        assert!(!ticket.is_done(), "the other one has it");
    }
    assert_eq!(other.handle(9).len(), 2);
    assert!(queued.is_done() && staged.is_done());
    assert!(taker.take(9).is_empty());
    assert!(bench.targets.remove(taker.id, bench.now).is_none(), "it is gone");
}

#[test]
fn the_place_of_one_that_was_removed_is_given_to_another_which_gets_only_its_own() {
    let mut bench = Bench::new();
    let first = bench.stream("a", 7);
    assert_eq!(bench.targets.of_stream(7), Some(first.id));
    bench.targets.remove(first.id, bench.now);
    assert_eq!(bench.targets.of_stream(7), None);
    let second = bench.handler("b");
    assert_eq!(second.id, first.id);
    assert!(matches!(bench.come("a", QoS::AtMostOnce), Handed::Unhandled(_)));
    bench.come("b", QoS::AtMostOnce);
    bench.targets.flush(bench.now);
    assert_eq!((first.take(9).len(), second.handle(9).len()), (0, 1));
}

#[test]
fn many_streams_that_come_and_go_leave_nothing_behind() {
    let mut bench = Bench::new();
    for number in 0..10_000 {
        let stream = bench.stream("a", number);
        bench.targets.remove(stream.id, bench.now);
    }
    assert_eq!(bench.targets.all.len(), 1);
    assert!(bench.targets.streams.capacity() < 500, "{}", bench.targets.streams.capacity());
}

#[test]
fn a_message_that_a_stream_does_not_look_at_is_let_go_and_those_of_handlers_are_not() {
    let mut bench = Bench::new();
    let [idle, handler] = [bench.stream("a/+", 1), bench.handler("a/b")];
    let both = bench.tracked("a/b");
    let alone = bench.tracked("a/c");
    assert_eq!(bench.targets.let_go("a/b", &both), ["a/+"]);
    assert!(!both.is_done(), "the handler has it");
    assert!(alone.is_done(), "all that the stream holds");
    assert!(bench.targets.let_go("a/b", &both).is_empty(), "there is nothing left");
    // As long as it is not read, it holds nothing that comes after.
    assert!(bench.tracked("a/c").is_done());
    assert_eq!(handler.handle(9), ["a/b"]);
    assert!(both.is_done());
    assert_eq!(idle.queue.load(), 3, "it has them when it looks");
    assert!(idle.queue.next().now_or_never().flatten().is_some());
    assert!(!bench.tracked("a/c").is_done(), "it is read again");
}

#[test]
fn of_the_handlers_of_a_topic_those_are_named_that_have_something_to_do() {
    let mut bench = Bench::new();
    let [one, two] = ["a/+", "a/b"].map(|filter| bench.handler(filter));
    bench.tracked("a/b");
    one.handle(1);
    assert_eq!(bench.targets.busy("a/b"), "the handler of a/b");
    let in_hand = two.take(1);
    assert_eq!(bench.targets.busy("a/b"), "the handler of a/b", "it is at work");
    drop(in_hand);
    two.queue.done();
    assert_eq!(bench.targets.busy("a/b"), "");
}

#[test]
fn handlers_of_a_topic_are_known_from_streams_and_from_those_that_get_their_share() {
    let mut bench = Bench::new();
    bench.stream("answer", 1);
    bench.handler("all");
    bench.add("share", |target| target.gets_all = false);
    bench.handler("share");
    let known = ["answer", "all", "share"].map(|topic| bench.targets.handlers_of(topic));
    assert_eq!(known, [None, Some(Shared::Not), Some(Shared::WithOthers)]);
}

#[test]
fn at_the_end_what_is_queued_is_still_given_out() {
    let mut bench = Bench::new();
    let taker = bench.handler("a");
    bench.tracked("a");
    bench.targets.close();
    assert_eq!(taker.handle(9), ["a"]);
    assert!(taker.queue.next().now_or_never().is_some_and(|job| job.is_none()));
}
