use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::delivery::Outbox;
use crate::wire::{Packet, Publish, Written};

struct Bench {
    outgoing: Outgoing,
    outbox: Outbox,
    ids: PacketIds,
    ping: bool,
    answers: Vec<u16>,
    now: Instant,
    receipts: Vec<oneshot::Receiver<Result<()>>>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let config = config.max_packet_size(1024 * 1024);
        let outbox = Outbox::new(Arc::default());
        outbox.set_link(true);
        let mut bench = Self {
            outgoing: Outgoing::new(&config),
            outbox,
            ids: PacketIds::default(),
            ping: false,
            answers: Vec::new(),
            now: Instant::now(),
            receipts: Vec::new(),
        };
        bench.outgoing.connected(false, bench.now);
        bench
    }

    async fn publish(&mut self, topic: &str, qos: QoS, deadline: Option<Duration>) {
        let mut entry = Entry::new(Publish::new(topic.to_owned(), "x".into(), qos, false));
        entry.deadline = deadline.map(|limit| self.now + limit);
        let (sender, receipt) = oneshot::channel();
        entry.receipt = Some(sender);
        self.receipts.push(receipt);
        self.outbox.put(entry).await.unwrap();
    }

    /// What is written now: topics of messages, and names of other packets.
    fn written(&mut self) -> Vec<String> {
        let mut out = Written::default();
        out.0.extend(self.answers.drain(..).map(|id| Packet::PubRel(id.into())));
        if std::mem::take(&mut self.ping) {
            self.outgoing.ping(&mut out);
        }
        self.outgoing.send(&mut out, &mut self.ids, &self.outbox, self.now);
        let name = |packet: Packet| match packet {
            Packet::Publish { message, .. } => message.topic().to_owned(),
            Packet::PubRel(release) => format!("PUBREL {}", release.id),
            Packet::PingReq => "PINGREQ".to_owned(),
            other => panic!("{other:?}"),
        };
        out.0.into_iter().map(name).collect()
    }

    /// PUBREC, which the session answers with PUBREL.
    fn received(&mut self, id: u16) {
        self.outgoing.received(id);
        self.answers.push(id);
    }

    fn lost(&mut self, closed_by_broker: bool) -> Option<Entry> {
        let lost = self.outgoing.connection_lost(&mut self.ids, closed_by_broker, self.now);
        self.outgoing.connected(true, self.now);
        lost
    }

    fn is_delivered(&mut self, index: usize) -> Option<bool> {
        self.receipts[index].try_recv().ok().map(|outcome| outcome.is_ok())
    }
}

fn config() -> Config {
    Config::new("mqtt://localhost", "outgoing").unwrap().max_in_flight_qos2(10)
}

#[tokio::test]
async fn qos_2_goes_out_one_after_the_other_unless_the_broker_is_known_to_take_more() {
    let mut bench = Bench::new(Config::new("mqtt://localhost", "outgoing").unwrap());
    for index in 0..3 {
        bench.publish(&index.to_string(), QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written(), ["0"]);
    bench.received(1);
    assert_eq!(bench.written(), ["PUBREL 1"]);
    bench.lost(false);
    assert_eq!(bench.written(), ["PUBREL 1"], "also when the session goes on");
    bench.outgoing.acknowledged(1, &mut bench.ids);
    assert_eq!(bench.written(), ["1"]);
}

#[tokio::test]
async fn qos_2_has_a_window_of_its_own_also_when_it_is_sent_again() {
    let mut bench = Bench::new(config());
    for index in 0..25 {
        bench.publish(&index.to_string(), QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written().len(), 10);
    bench.received(1);
    assert_eq!(bench.written(), ["PUBREL 1"], "not done before PUBCOMP");
    bench.outgoing.completed(1, &mut bench.ids);
    assert_eq!(bench.is_delivered(0), Some(true));
    assert_eq!(bench.written(), ["10"]);
    bench.lost(false);
    let again: Vec<String> = (1..=10).map(|index| index.to_string()).collect();
    assert_eq!(bench.written()[1..], again);
}

#[tokio::test]
async fn a_window_full_of_what_the_broker_ignores_lets_others_out() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut bench = Bench::new(config());
        let window = if qos == QoS::AtLeastOnce { 256 } else { 10 };
        for _ in 0..window {
            bench.publish("ignored", qos, None).await;
        }
        assert_eq!(bench.written().len(), window);
        bench.publish("other", qos, None).await;
        assert!(bench.written().is_empty());
        assert_eq!(bench.outgoing.deadline(), Some(bench.now + Duration::from_secs(2)));
        bench.now += Duration::from_secs(2);
        assert_eq!(bench.written(), ["PINGREQ"]);
        assert!(bench.written().is_empty());
        bench.outgoing.pinged();
        assert_eq!(bench.written(), ["other"]);
    }
}

#[tokio::test]
async fn a_broker_that_stands_still_is_sent_no_more_than_the_window() {
    let mut bench = Bench::new(config());
    for _ in 0..20 {
        bench.publish("a", QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written().len(), 10);
    // The answer to a ping that was sent before says nothing of what was sent after it.
    bench.ping = true;
    bench.now += Duration::from_secs(5);
    assert_eq!(bench.written(), ["PINGREQ", "PINGREQ"]);
    bench.outgoing.pinged();
    assert!(bench.written().is_empty());
}

#[tokio::test]
async fn what_was_given_up_frees_its_place_and_keeps_its_identifier() {
    let mut bench = Bench::new(config());
    for _ in 0..256 {
        bench.publish("late", QoS::AtLeastOnce, Some(Duration::from_secs(1))).await;
    }
    bench.publish("other", QoS::AtLeastOnce, Some(Duration::from_secs(9))).await;
    assert_eq!(bench.written().len(), 256);
    bench.now += Duration::from_secs(1);
    assert_eq!(bench.outgoing.expiry(), Some(bench.now));
    assert_eq!(bench.outgoing.expire(&mut bench.ids, bench.now).len(), 256);
    assert_eq!(bench.written(), ["other"]);
    assert_eq!(bench.outgoing.unfinished(), 1);
    assert_eq!(bench.outgoing.in_flight.back().map(|sent| sent.id), Some(257));
}

#[tokio::test]
async fn however_many_were_given_up_others_go_out_and_identifiers_do_not_run_out() {
    let mut bench = Bench::new(config());
    for _ in 0..MAX_GIVEN_UP / 256 {
        assert!(!bench.outgoing.is_clogged());
        for _ in 0..256 {
            bench.publish("late", QoS::AtLeastOnce, Some(Duration::from_secs(1))).await;
        }
        bench.publish("other", QoS::AtLeastOnce, Some(Duration::from_secs(9))).await;
        assert_eq!(bench.written().len(), 256);
        bench.now += Duration::from_secs(1);
        assert_eq!(bench.outgoing.expire(&mut bench.ids, bench.now).len(), 256);
        assert_eq!(bench.written(), ["other"]);
        let id = bench.outgoing.in_flight.back().map(|sent| sent.id).unwrap();
        bench.outgoing.acknowledged(id, &mut bench.ids);
    }
    assert!(bench.outgoing.is_clogged());
    bench.lost(false);
    assert!(!bench.outgoing.is_clogged() && bench.outgoing.in_flight.is_empty());
}

#[tokio::test]
async fn a_qos_2_message_that_was_given_up_is_released_on_the_next_connection() {
    let mut bench = Bench::new(config());
    bench.publish("late", QoS::ExactlyOnce, Some(Duration::from_secs(1))).await;
    assert_eq!(bench.written(), ["late"]);
    bench.now += Duration::from_secs(1);
    bench.outgoing.expire(&mut bench.ids, bench.now);
    bench.lost(false);
    assert_eq!(bench.written(), ["PUBREL 1"]);
    bench.outgoing.completed(1, &mut bench.ids);
    assert!(bench.outgoing.in_flight.is_empty());
}

#[tokio::test]
async fn a_message_that_closes_connections_is_set_aside_tried_alone_and_given_up() {
    let mut bench = Bench::new(config());
    bench.publish("bad", QoS::AtLeastOnce, None).await;
    bench.publish("good", QoS::AtLeastOnce, None).await;
    for _ in 0..3 {
        assert_eq!(bench.written(), ["bad", "good"]);
        assert!(bench.lost(true).is_none());
    }
    assert_eq!(bench.written(), ["good"]);
    bench.outgoing.acknowledged(2, &mut bench.ids);
    assert_eq!(bench.is_delivered(1), Some(true));
    assert_eq!(bench.outgoing.unfinished(), 1);
    for closes in 4..=5 {
        assert!(bench.written().is_empty(), "the connection has not lasted yet");
        bench.now += Duration::from_secs(2);
        assert_eq!(bench.written(), ["bad"]);
        bench.publish("later", QoS::AtLeastOnce, None).await;
        assert!(bench.written().is_empty(), "the trial is on");
        let condemned = bench.lost(true);
        assert_eq!(condemned.map(|entry| entry.closes), (closes == 5).then_some(5));
        let later = bench.written();
        assert!(!later.is_empty() && later.iter().all(|topic| topic == "later"));
        for id in 0..20 {
            bench.outgoing.acknowledged(id, &mut bench.ids);
        }
    }
    assert_eq!(bench.outgoing.unfinished(), 0);
}

#[tokio::test]
async fn a_message_that_was_suspected_wrongly_is_delivered() {
    let mut bench = Bench::new(config());
    bench.publish("good", QoS::AtLeastOnce, None).await;
    for _ in 0..3 {
        assert_eq!(bench.written(), ["good"]);
        bench.lost(true);
    }
    for _ in 0..50 {
        assert!(bench.written().is_empty());
        bench.lost(true);
    }
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.written(), ["good"]);
    bench.outgoing.acknowledged(1, &mut bench.ids);
    assert_eq!(bench.is_delivered(0), Some(true));
}

#[tokio::test]
async fn connections_that_break_otherwise_condemn_nobody() {
    let mut bench = Bench::new(config());
    bench.publish("good", QoS::AtLeastOnce, None).await;
    for _ in 0..50 {
        assert_eq!(bench.written(), ["good"]);
        assert!(bench.lost(false).is_none());
    }
}

#[tokio::test]
async fn only_the_newest_health_goes_out_and_one_after_the_other() {
    let mut bench = Bench::new(config());
    let say = |bench: &mut Bench, text: &str| {
        let publish = Publish::new(text.to_owned(), "x".into(), QoS::AtLeastOnce, true);
        bench.outgoing.set_health(Entry::new(publish));
    };
    for index in 0..100 {
        say(&mut bench, &index.to_string());
    }
    assert_eq!(bench.written(), ["99"]);
    say(&mut bench, "a");
    say(&mut bench, "b");
    assert!(bench.written().is_empty());
    bench.outgoing.acknowledged(1, &mut bench.ids);
    assert_eq!(bench.written(), ["b"]);
    assert_eq!(bench.outgoing.unfinished(), 0, "it is no message of the program");
}

#[tokio::test]
async fn what_was_done_with_at_qos_2_is_released_again_first_on_the_next_connection() {
    let mut bench = Bench::new(config());
    for topic in ["a", "b", "c"] {
        bench.publish(topic, QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written(), ["a", "b", "c"]);
    for id in 1..=2 {
        bench.received(id);
        bench.outgoing.completed(id, &mut bench.ids);
    }
    bench.outgoing.completed(3, &mut bench.ids);
    assert_eq!(bench.is_delivered(2), None, "the broker has not received it");
    bench.written();
    bench.lost(false);
    assert_eq!(bench.written(), ["PUBREL 1", "PUBREL 2", "c"]);
    assert!(bench.written().is_empty(), "once is enough");
    bench.outgoing.connection_lost(&mut bench.ids, false, bench.now);
    bench.outgoing.connected(false, bench.now);
    assert_eq!(bench.written(), ["c"], "a broker without the session has nothing of it");
}

#[tokio::test]
async fn what_an_earlier_process_left_at_qos_2_is_released_once_the_broker_is_seen_to_know_it() {
    let mut bench = Bench::new(config());
    bench.outgoing = Outgoing::new(&config());
    bench.outgoing.connected(true, bench.now);
    bench.ids.take();
    for topic in ["a", "b", "c"] {
        bench.publish(topic, QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written(), ["PUBREL 2", "a"], "it goes alone");
    bench.received(2);
    let mut released = Vec::new();
    for _ in 0..=32767 / 4096 {
        assert!(!released.contains(&"b".to_owned()), "others wait until all are released");
        released.extend(bench.written());
    }
    // "a" waits for PUBCOMP under 2, and 1 is in use by something at another QoS.
    let all = [2, 1].into_iter().chain(3..=32767).map(|id| format!("PUBREL {id}"));
    let expected: Vec<String> = all.chain(["b".into(), "c".into()]).collect();
    assert!(released == expected, "{:?} … {:?}", &released[..3], released.last());
}

#[tokio::test]
async fn a_broker_that_answers_qos_2_with_puback_is_sent_no_other_releases() {
    let mut bench = Bench::new(config());
    bench.outgoing = Outgoing::new(&config());
    bench.outgoing.connected(true, bench.now);
    for topic in ["a", "b", "c"] {
        bench.publish(topic, QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written(), ["PUBREL 1", "a"]);
    bench.outgoing.acknowledged(1, &mut bench.ids);
    assert_eq!(bench.written(), ["b", "c"]);
    bench.lost(false);
    assert_eq!(bench.written(), ["b", "c"]);
}

#[tokio::test]
async fn a_first_message_at_qos_2_that_is_ignored_holds_no_others_up() {
    let mut bench = Bench::new(config());
    bench.outgoing = Outgoing::new(&config());
    bench.outgoing.connected(true, bench.now);
    for topic in ["ignored", "b", "c"] {
        bench.publish(topic, QoS::ExactlyOnce, None).await;
    }
    assert_eq!(bench.written(), ["PUBREL 1", "ignored"]);
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.written(), ["PINGREQ"]);
    bench.outgoing.pinged();
    assert_eq!(bench.written(), ["PUBREL 2", "b"]);
}

#[tokio::test]
async fn a_broker_that_has_lost_the_session_is_sent_everything_anew_and_in_order() {
    let mut bench = Bench::new(config());
    for (topic, qos) in [
        ("a", QoS::AtLeastOnce),
        ("b", QoS::ExactlyOnce),
        ("c", QoS::AtLeastOnce),
        ("d", QoS::ExactlyOnce),
    ] {
        bench.publish(topic, qos, None).await;
    }
    assert_eq!(bench.written(), ["a", "b", "c", "d"]);
    bench.outgoing.acknowledged(1, &mut bench.ids);
    // With the broker that had it; this one has it no more.
    bench.received(2);
    bench.written();
    bench.outgoing.connection_lost(&mut bench.ids, false, bench.now);
    bench.outgoing.session_lost(&mut bench.ids);
    bench.outgoing.connected(false, bench.now);
    assert_eq!(bench.ids.used(), 0);
    assert_eq!(bench.outgoing.unfinished(), 3);
    bench.publish("e", QoS::AtLeastOnce, None).await;
    assert_eq!(bench.written(), ["b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_receipt_at_qos_0_tells_whether_the_message_was_written_out() {
    let mut bench = Bench::new(config());
    for topic in ["a", "b"] {
        bench.publish(topic, QoS::AtMostOnce, None).await;
        assert_eq!(bench.written(), [topic]);
        if topic == "a" {
            bench.outgoing.flushed();
        } else {
            bench.lost(false);
        }
    }
    assert_eq!([bench.is_delivered(0), bench.is_delivered(1)], [Some(true), Some(false)]);
    assert!(bench.written().is_empty(), "it is not sent again");
}

#[tokio::test]
async fn what_the_connection_says_of_itself_is_dropped_with_it() {
    let mut bench = Bench::new(config());
    let entry =
        |topic: &str, qos| Entry::new(Publish::new(topic.to_owned(), "x".into(), qos, true));
    bench.outgoing.set_health(entry("health", QoS::AtLeastOnce));
    bench.outgoing.set_heartbeat(entry("beat", QoS::AtMostOnce));
    bench.outgoing.set_heartbeat(entry("newest beat", QoS::AtMostOnce));
    assert_eq!(bench.written(), ["newest beat", "health"]);
    assert!(bench.outgoing.status_is_pending());
    bench.outgoing.set_health(entry("later", QoS::AtLeastOnce));
    bench.outgoing.set_heartbeat(entry("beat", QoS::AtMostOnce));
    bench.lost(false);
    assert!(bench.written().is_empty() && !bench.outgoing.status_is_pending());
    assert_eq!(bench.ids.used(), 0);
}

#[tokio::test]
async fn without_a_free_identifier_messages_wait_for_one() {
    let mut bench = Bench::new(config());
    while bench.ids.take().is_some() {}
    bench.publish("a", QoS::AtLeastOnce, None).await;
    bench.publish("b", QoS::AtMostOnce, None).await;
    assert!(bench.written().is_empty(), "nothing overtakes it");
    bench.ids.free(77);
    assert_eq!(bench.written(), ["a", "b"]);
    assert_eq!(bench.outgoing.in_flight.front().map(|sent| sent.id), Some(77));
}

#[tokio::test]
async fn at_the_end_whoever_waits_is_told_that_nothing_comes_of_it() {
    let mut bench = Bench::new(config());
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtMostOnce] {
        bench.publish("a", qos, None).await;
    }
    bench.written();
    bench.outgoing.abandon();
    for receipt in &mut bench.receipts {
        assert!(matches!(receipt.try_recv(), Ok(Err(Error::Stopped))));
    }
    assert_eq!(bench.outgoing.unfinished(), 0);
}
