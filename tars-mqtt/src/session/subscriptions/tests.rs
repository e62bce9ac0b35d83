use super::accused::{FIRST, SETTLED};
use super::*;
use crate::wire::Written;

fn subscriber(target: usize) -> Subscriber {
    let name = format!("handler {target}");
    Subscriber { target: TargetId(target), name, done: None, ephemeral: false }
}

/// Asks for the next batch, as `send` does.
fn ask(subscriptions: &mut Subscriptions, ids: &mut PacketIds) -> Option<(u16, Vec<String>)> {
    let (id, batch) = subscriptions.next_batch(ids)?;
    subscriptions.subscribing.push_back((id, batch.clone()));
    Some((id, batch))
}

#[test]
fn a_filter_that_another_one_covers_is_not_subscribed_to() {
    let mut subscriptions = Subscriptions::default();
    let wanted = ["a/b", "a/+", "a/#", "$SYS/#", "c", "c", "$share/g/a/b"];
    let wanted = wanted
        .iter()
        .enumerate()
        .map(|(index, filter)| ((*filter).to_owned(), QoS::AtLeastOnce, subscriber(index)));
    subscriptions.add_all(wanted.collect());
    let expected = ["a/#", "$SYS/#", "c", "$share/g/a/b"];
    assert_eq!(subscriptions.wanted, expected);
    assert_eq!(subscriptions.filters.len(), expected.len());
}

#[test]
fn many_filters_go_out_in_few_packets_and_the_answer_is_counted() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    for index in 100..230 {
        subscriptions.add(&format!("t/{index}"), QoS::AtLeastOnce, subscriber(index));
    }
    let mut sizes = Vec::new();
    while let Some((_, batch)) = ask(&mut subscriptions, &mut ids) {
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [64, 64, 2]);
    assert!(subscriptions.answered(3, &[Ok(QoS::AtMostOnce)], &mut ids, Instant::now()).is_err());
    let answer = subscriptions
        .answered(1, &[Err(Reason::FAILURE); 64], &mut ids, Instant::now())
        .expect("the number of codes is right");
    assert_eq!(answer.refused.len(), 64);
    assert!(answer.refused[0].to_string().contains("handler 100"));
    assert!(!subscriptions.all_granted());
}

#[tokio::test(start_paused = true)]
async fn a_refused_filter_is_asked_for_again_on_the_next_connection() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    subscriptions.add("t", QoS::AtLeastOnce, subscriber(1));
    let (id, _) = ask(&mut subscriptions, &mut ids).unwrap();
    subscriptions.answered(id, &[Err(Reason::FAILURE)], &mut ids, Instant::now()).unwrap();
    assert!(ask(&mut subscriptions, &mut ids).is_none());
    subscriptions.connection_lost(&mut ids, false, Instant::now());
    assert!(ask(&mut subscriptions, &mut ids).is_some());
}

#[test]
fn a_filter_granted_at_less_than_asked_is_told() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    subscriptions.add("t", QoS::ExactlyOnce, subscriber(1));
    let (id, _) = ask(&mut subscriptions, &mut ids).unwrap();
    let answer =
        subscriptions.answered(id, &[Ok(QoS::AtLeastOnce)], &mut ids, Instant::now()).unwrap();
    let [lowered] = &answer.lowered[..] else { panic!("{answer:?}") };
    assert_eq!((lowered.asked, lowered.granted), (QoS::ExactlyOnce, QoS::AtLeastOnce));
    assert!(subscriptions.all_granted());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_few_filters_at_once_is_asked_for_fewer() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    for index in 0..100 {
        subscriptions.add(&format!("t/{index}"), QoS::AtLeastOnce, subscriber(index));
    }
    let mut closes = 0;
    loop {
        subscriptions.session_lost();
        let (_, batch) = ask(&mut subscriptions, &mut ids).unwrap();
        if batch.len() <= 8 {
            break;
        }
        closes += 1;
        subscriptions.connection_lost(&mut ids, true, Instant::now());
    }
    assert_eq!(closes, 3);
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_closes_the_connection_again_and_again_is_refused_and_tried_later() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    for filter in ["good", "bad"] {
        subscriptions.add(filter, QoS::AtLeastOnce, subscriber(usize::from(filter == "bad")));
    }
    let mut refused = Vec::new();
    for _ in 0..20 {
        while let Some((id, batch)) = ask(&mut subscriptions, &mut ids) {
            if batch.contains(&"bad".to_owned()) {
                break;
            }
            subscriptions.answered(id, &[Ok(QoS::AtLeastOnce)], &mut ids, Instant::now()).unwrap();
        }
        let closed = !subscriptions.subscribing.is_empty();
        if !closed {
            tokio::time::advance(SETTLED).await;
        }
        let answer = subscriptions.convict(Instant::now());
        refused.extend(answer.refused.iter().map(ToString::to_string));
        if !refused.is_empty() {
            break;
        }
        subscriptions.connection_lost(&mut ids, closed, Instant::now());
        subscriptions.connected(Instant::now());
    }
    let [refusal] = &refused[..] else { panic!("{refused:?}") };
    assert!(refusal.contains("handler 1"), "{refusal}");
    assert!(!subscriptions.all_granted(), "it is not forgotten");
    assert_eq!(subscriptions.settled_at(), Some(Instant::now() + FIRST));
    subscriptions.connection_lost(&mut ids, false, Instant::now());
    assert!(ask(&mut subscriptions, &mut ids).is_none(), "not so soon");
    tokio::time::advance(FIRST).await;
    subscriptions.convict(Instant::now());
    let (id, batch) = ask(&mut subscriptions, &mut ids).unwrap();
    assert_eq!(batch, ["bad"], "also while the connection lasts");
    subscriptions.answered(id, &[Ok(QoS::AtLeastOnce)], &mut ids, Instant::now()).unwrap();
    assert!(subscriptions.all_granted() && subscriptions.settled_at().is_none());
}

#[tokio::test(start_paused = true)]
async fn connections_that_break_anyway_are_no_refusal() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    subscriptions.add("good", QoS::AtLeastOnce, subscriber(1));
    let mut asked = 0;
    for _ in 0..100 {
        subscriptions.connected(Instant::now());
        asked += usize::from(ask(&mut subscriptions, &mut ids).is_some());
        assert!(!subscriptions.all_granted());
        tokio::time::advance(SETTLED / 2).await;
        assert!(subscriptions.convict(Instant::now()).refused.is_empty());
        subscriptions.connection_lost(&mut ids, true, Instant::now());
        subscriptions.session_lost();
    }
    assert!(asked >= 70, "{asked}");
    assert!(!subscriptions.has_refused());
}

#[test]
fn filters_that_come_and_go_leave_nothing_behind() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    for index in 0..40_000 {
        let filter = format!("t/{index}");
        subscriptions.add(&filter, QoS::AtLeastOnce, subscriber(index));
        assert!(subscriptions.remove(&filter, TargetId(index)));
    }
    assert!(subscriptions.wanted.len() <= 65, "{}", subscriptions.wanted.len());
    assert!(subscriptions.unwanted.is_empty() && subscriptions.filters.is_empty());
    assert!(subscriptions.filters.capacity() < 500);
    assert!(ask(&mut subscriptions, &mut ids).is_none());
    assert!(subscriptions.all_granted());
}

#[test]
fn a_filter_that_is_wanted_again_is_not_given_up() {
    let mut subscriptions = Subscriptions::default();
    let mut ids = PacketIds::default();
    subscriptions.add("t", QoS::AtLeastOnce, subscriber(1));
    ask(&mut subscriptions, &mut ids).unwrap();
    subscriptions.remove("t", TargetId(1));
    subscriptions.add("t", QoS::AtLeastOnce, subscriber(2));
    assert_eq!(ask(&mut subscriptions, &mut ids).unwrap().1, ["t"]);
    let mut out = Written::default();
    subscriptions.send(&mut out, &mut ids, Instant::now());
    assert!(out.0.is_empty(), "{:?}", out.0);
}

#[test]
fn each_packet_has_its_own_time_to_be_answered_however_many_follow() {
    let mut subscriptions = Subscriptions::default();
    let (mut ids, mut out, mut now) = (PacketIds::default(), Written::default(), Instant::now());
    let mut unanswered: Option<u16> = None;
    // There is always one under way, and each is answered within a second.
    for index in 0..60 {
        subscriptions.add(&format!("t/{index}"), QoS::AtLeastOnce, subscriber(index));
        subscriptions.send(&mut out, &mut ids, now);
        let sent = subscriptions.subscribing.back().map(|(id, _)| *id);
        if let Some(id) = std::mem::replace(&mut unanswered, sent) {
            subscriptions.answered(id, &[Ok(QoS::AtLeastOnce)], &mut ids, Instant::now()).unwrap();
        }
        assert_eq!(subscriptions.deadline(), Some(now + ANSWER_TIMEOUT));
        subscriptions.remove(&format!("t/{index}"), TargetId(index));
        subscriptions.send(&mut out, &mut ids, now);
        let given_up = subscriptions.due.back().map(|(id, _)| *id).unwrap();
        subscriptions.unsubscribed(given_up, &mut ids);
        now += Duration::from_secs(1);
    }
    subscriptions.connection_lost(&mut ids, false, now);
    assert_eq!(subscriptions.deadline(), None);
}
