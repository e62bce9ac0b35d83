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

/// Asks for what is wanted, and grants it.
fn granted(subscriptions: &mut Subscriptions, ids: &mut PacketIds) {
    while let Some((id, batch)) = ask(subscriptions, ids) {
        let answer = vec![Ok(QoS::ExactlyOnce); batch.len()];
        subscriptions.answered(id, &answer, ids, Instant::now()).unwrap();
    }
    assert!(subscriptions.all_granted());
}

#[test]
fn a_filter_goes_with_the_last_one_that_wants_it() {
    let (mut subscriptions, mut ids) = (Subscriptions::default(), PacketIds::default());
    assert!(subscriptions.add("t", QoS::AtMostOnce, subscriber(1)));
    assert!(!subscriptions.add("t", QoS::ExactlyOnce, subscriber(2)), "it is there");
    assert!(!subscriptions.add("t", QoS::AtLeastOnce, subscriber(3)));
    let mut out = Written::default();
    assert_eq!(subscriptions.send(&mut out, &mut ids, Instant::now()), ["t"]);
    let [Packet::Subscribe { id, filters }] = &out.0[..] else { panic!("{:?}", out.0) };
    assert_eq!(filters[..], [("t".to_owned(), QoS::ExactlyOnce)], "the highest that is asked for");
    subscriptions.answered(*id, &[Ok(QoS::ExactlyOnce)], &mut ids, Instant::now()).unwrap();
    for target in [2, 1] {
        assert!(!subscriptions.remove("t", TargetId(target)));
        assert!(!subscriptions.is_unsubscribing());
    }
    assert!(subscriptions.remove("t", TargetId(3)));
    assert!(subscriptions.is_unsubscribing());
    assert!(!subscriptions.remove("t", TargetId(3)), "it is gone");
}

#[test]
fn whoever_waits_for_a_filter_is_told_what_became_of_it() {
    let (mut subscriptions, mut ids) = (Subscriptions::default(), PacketIds::default());
    let mut outcomes = Vec::new();
    for (target, filter) in ["granted", "refused", "abandoned"].into_iter().enumerate() {
        let (done, outcome) = tokio::sync::oneshot::channel();
        let subscriber = Subscriber { done: Some(done), ephemeral: true, ..subscriber(target) };
        subscriptions.add(filter, QoS::AtLeastOnce, subscriber);
        outcomes.push(outcome);
        if target == 1 {
            let (id, _) = ask(&mut subscriptions, &mut ids).unwrap();
            let granted = [Ok(QoS::AtLeastOnce), Err(Reason::FAILURE)];
            let answer = subscriptions.answered(id, &granted, &mut ids, Instant::now()).unwrap();
            assert_eq!(answer.gone, [TargetId(1)]);
            assert!(answer.refused.is_empty(), "who asked has been told");
        }
    }
    assert!(!subscriptions.has_refused(), "nobody wants it any more");
    subscriptions.abandon();
    let mut outcomes = outcomes.into_iter().map(|mut outcome| outcome.try_recv().unwrap());
    assert!(outcomes.next().unwrap().is_ok());
    let refused = outcomes.next().unwrap();
    assert!(matches!(refused, Err(Error::SubscriptionRefused { .. })), "{refused:?}");
    assert!(matches!(outcomes.next().unwrap(), Err(Error::Stopped)));
}

#[test]
fn a_filter_that_is_refused_again_and_again_is_asked_for_ever_more_seldom() {
    let (mut subscriptions, mut ids) = (Subscriptions::default(), PacketIds::default());
    let mut now = Instant::now();
    subscriptions.add("t", QoS::AtLeastOnce, subscriber(1));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let (id, _) = ask(&mut subscriptions, &mut ids).unwrap();
        subscriptions.answered(id, &[Err(Reason::FAILURE)], &mut ids, now).unwrap();
        let at = subscriptions.settled_at().unwrap();
        pauses.push(at.duration_since(now).as_secs());
        subscriptions.convict(at.checked_sub(Duration::from_millis(1)).unwrap());
        assert!(ask(&mut subscriptions, &mut ids).is_none());
        now = at;
        subscriptions.convict(now);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    let (id, _) = ask(&mut subscriptions, &mut ids).unwrap();
    subscriptions.answered(id, &[Ok(QoS::AtLeastOnce)], &mut ids, now).unwrap();
    subscriptions.ask_again();
    let (id, _) = ask(&mut subscriptions, &mut ids).unwrap();
    subscriptions.answered(id, &[Err(Reason::FAILURE)], &mut ids, now).unwrap();
    assert_eq!(subscriptions.settled_at(), Some(now + FIRST), "it was granted in between");
}

#[test]
fn what_was_left_by_an_earlier_version_is_given_up_and_nothing_that_is_wanted() {
    let (mut subscriptions, mut ids) = (Subscriptions::default(), PacketIds::default());
    for (target, filter) in ["a/+", "$share/g/b"].into_iter().enumerate() {
        subscriptions.add(filter, QoS::AtLeastOnce, subscriber(target));
    }
    subscriptions.add_external(["a/#", "a/#", "x"].into_iter());
    granted(&mut subscriptions, &mut ids);
    assert!(subscriptions.is_external("a/b") && !subscriptions.is_external("b"));
    subscriptions.drop_leftovers("a/b");
    let mut out = Written::default();
    subscriptions.send(&mut out, &mut ids, Instant::now());
    let given_up = |packet: &Packet| match packet {
        Packet::Unsubscribe { filters, .. } => filters.clone(),
        other => panic!("{other:?}"),
    };
    let given_up: Vec<String> = out.0.iter().flat_map(given_up).collect();
    for filter in ["a/b", "+/b", "#", "$share/g/a/b"] {
        assert!(given_up.iter().any(|found| found == filter), "{filter}: {given_up:?}");
    }
    for filter in ["a/+", "a/#"] {
        assert!(!given_up.iter().any(|found| found == filter), "{filter}: {given_up:?}");
    }
    subscriptions.remove_external(&["a/#".to_owned()]);
    assert!(!subscriptions.is_external("a/b"));
}

#[test]
fn at_the_end_only_filters_that_the_broker_has_for_this_process_alone_are_given_up() {
    let (mut subscriptions, mut ids) = (Subscriptions::default(), PacketIds::default());
    let stream = |target| Subscriber { ephemeral: true, ..subscriber(target) };
    subscriptions.add("handler", QoS::AtLeastOnce, subscriber(0));
    subscriptions.add("both", QoS::AtLeastOnce, subscriber(1));
    subscriptions.add("both", QoS::AtLeastOnce, stream(2));
    subscriptions.add("first", QoS::AtLeastOnce, stream(3));
    subscriptions.add("second", QoS::AtLeastOnce, stream(4));
    granted(&mut subscriptions, &mut ids);
    subscriptions.add("not asked for", QoS::AtLeastOnce, stream(5));
    assert_eq!(subscriptions.ephemeral(), [["first", "second"]]);
}

#[test]
fn without_a_free_identifier_filters_wait_for_one() {
    let (mut subscriptions, mut ids) = (Subscriptions::default(), PacketIds::default());
    let mut out = Written::default();
    while ids.take().is_some() {}
    subscriptions.add("t", QoS::AtLeastOnce, subscriber(1));
    subscriptions.send(&mut out, &mut ids, Instant::now());
    assert!(out.0.is_empty() && !subscriptions.all_granted());
    assert_eq!(subscriptions.deadline(), None, "nothing is under way");
    ids.free(77);
    assert_eq!(subscriptions.send(&mut out, &mut ids, Instant::now()), ["t"]);
    assert!(matches!(&out.0[..], [Packet::Subscribe { id: 77, .. }]), "{:?}", out.0);
    // An answer to something else is none.
    subscriptions.answered(78, &[Err(Reason::FAILURE)], &mut ids, Instant::now()).unwrap();
    assert!(!subscriptions.has_refused() && subscriptions.deadline().is_some());
}
