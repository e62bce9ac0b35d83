use rumqttc::QoS;

use crate::client::{Client, Connect, broker, text};

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[tokio::test]
async fn a_message_arrives_once_at_the_lower_of_both_levels() {
    let broker = broker().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    for subscribed in LEVELS {
        let mut subscriber = Client::to(&broker, "subscriber").await;
        subscriber.subscribe("levels/+", subscribed).await;
        for published in LEVELS {
            publisher.publish("levels/a", published, "hello").await;
            let message = subscriber.next().await;
            assert_eq!(message.qos as u8, (published as u8).min(subscribed as u8));
            assert_eq!(message.topic, "levels/a");
            assert_eq!(text(&message), "hello");
            assert!(!message.dup);
        }
        publisher.publish("levels/a", QoS::AtMostOnce, "end").await;
        assert!(subscriber.before("end").await.is_empty());
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn messages_of_one_publisher_arrive_in_order() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("numbers", QoS::AtLeastOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("numbers", 500).await;
    for number in 0..500 {
        assert_eq!(subscriber.next_text().await, number.to_string());
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn each_overlapping_subscription_of_a_client_brings_its_own_copy() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    for filter in ["over/#", "over/+", "over/lap"] {
        subscriber.subscribe(filter, QoS::AtLeastOnce).await;
    }
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("over/lap", QoS::AtLeastOnce, "copy").await;
    publisher.publish("over/end/end", QoS::AtLeastOnce, "end").await;
    assert_eq!(subscriber.before("end").await.len(), 3);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_repeated_subscription_replaces_the_former_one() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("again", QoS::AtMostOnce).await;
    subscriber.subscribe("again", QoS::AtLeastOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("again", QoS::AtLeastOnce, "once").await;
    publisher.publish("again", QoS::AtLeastOnce, "end").await;
    let messages = subscriber.before("end").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].qos, QoS::AtLeastOnce);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_arrives_once_a_client_has_unsubscribed() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("left", QoS::AtLeastOnce).await;
    subscriber.subscribe("kept", QoS::AtLeastOnce).await;
    subscriber.unsubscribe("left").await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("left", QoS::AtLeastOnce, "unwanted").await;
    publisher.publish("kept", QoS::AtLeastOnce, "end").await;
    assert!(subscriber.before("end").await.is_empty());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn members_of_a_shared_subscription_take_turns() {
    let broker = broker().await;
    let mut members =
        [Client::to(&broker, "member-1").await, Client::to(&broker, "member-2").await];
    for member in &mut members {
        member.subscribe("$share/group/work/+", QoS::AtLeastOnce).await;
        member.subscribe("end", QoS::AtLeastOnce).await;
    }
    let mut bystander = Client::to(&broker, "bystander").await;
    bystander.subscribe("work/#", QoS::AtLeastOnce).await;

    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("work/a", 100).await;
    publisher.publish("end", QoS::AtLeastOnce, "end").await;

    let mut shared = Vec::new();
    for member in &mut members {
        let messages = member.before("end").await;
        assert_eq!(messages.len(), 50);
        shared.extend(messages.iter().map(|message| text(message).parse::<u32>().unwrap()));
    }
    shared.sort_unstable();
    assert_eq!(shared, (0..100).collect::<Vec<_>>());
    for number in 0..100 {
        assert_eq!(bystander.next_text().await, number.to_string());
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_absent_member_of_a_shared_subscription_gets_nothing_while_another_is_there() {
    let broker = broker().await;
    let filter = "$share/group/work";
    let mut absent = Connect::to(&broker, "absent").persistent().connect().await;
    absent.subscribe(filter, QoS::AtLeastOnce).await;
    absent.subscribe("end", QoS::AtLeastOnce).await;
    absent.disconnect().await;
    let mut present = Client::to(&broker, "present").await;
    present.subscribe(filter, QoS::AtLeastOnce).await;

    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("work", 20).await;
    publisher.publish("end", QoS::AtLeastOnce, "end").await;

    for number in 0..20 {
        assert_eq!(present.next_text().await, number.to_string());
    }
    let mut absent = Connect::to(&broker, "absent").persistent().connect().await;
    assert!(absent.before("end").await.is_empty());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn the_broker_tells_about_itself_below_sys_only_to_who_asks_for_it() {
    let broker = broker().await;
    let mut curious = Client::to(&broker, "curious").await;
    curious.subscribe("$SYS/broker/version", QoS::AtMostOnce).await;
    let message = curious.next().await;
    assert_eq!(message.topic, "$SYS/broker/version");

    let mut everything = Client::to(&broker, "everything").await;
    everything.subscribe("#", QoS::AtMostOnce).await;
    curious.publish("end", QoS::AtLeastOnce, "end").await;
    assert!(everything.before("end").await.is_empty());
    broker.stop().await.unwrap();
}
