//! Events: defaults, options in any order, topics with fields, generics.
#![deny(warnings)]

use std::borrow::Cow;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
#[event("llm.stream", topic = "llm/stream", qos = 0)]
struct LlmStreamDelta {
    id: String,
    seq: u32,
    delta: String,
    done: bool,
}

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room}/temperature", retain)]
struct Temperature {
    room: String,
    celsius: f64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("movement.status", bare)]
struct MovementStatus {
    event: String,
}

#[derive(Serialize, Event)]
#[event(retain = true, bare = false)]
#[event(topic = "{type}/{of}", qos = 2)]
struct Borrowed<'a, T>
where
    T: Clone,
{
    r#type: Cow<'a, str>,
    of: Option2<T>,
}

#[derive(Clone, Serialize)]
struct Option2<T>(T);

impl<T: Display> Display for Option2<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Serialize, Deserialize, Event)]
struct HTTP2Frame(Inner);

#[derive(Serialize, Deserialize)]
struct Inner {}

#[derive(Serialize, Deserialize, Event)]
#[serde(tag = "kind")]
enum Movement {
    Forward { metres: f64 },
    Stop,
}

#[derive(Serialize, Deserialize, Event)]
#[event(bare)]
struct Ping;

#[derive(Serialize, Deserialize, Event)]
#[event]
struct Generic<T, const N: usize>
where
    [T; N]: Default,
{
    data: T,
}

macro_rules! event {
    ($name:ident, $type:literal, $topic:expr) => {
        #[derive(Serialize, Deserialize, Event)]
        #[event($type, topic = $topic)]
        struct $name {}
    };
}

event!(FromMacro, "from.macro", "from/macro");

fn main() {
    assert_eq!(LlmStreamDelta::TYPE, "llm.stream");
    assert_eq!((LlmStreamDelta::TOPIC, LlmStreamDelta::QOS), ("llm/stream", QoS::AtMostOnce));
    assert_eq!((Temperature::TYPE, Temperature::QOS), ("temperature", QoS::AtLeastOnce));
    assert!(Temperature::RETAIN && !Temperature::BARE && MovementStatus::BARE);
    let reading = Temperature { room: "kitchen".into(), celsius: 20.5 };
    assert_eq!(reading.topic().unwrap(), "sensors/kitchen/temperature");
    assert!(Temperature { room: "a/b".into(), ..reading }.topic().is_err());
    let borrowed = Borrowed { r#type: "a".into(), of: Option2(7) };
    assert_eq!(borrowed.topic().unwrap(), "a/7");
    assert!(Borrowed::<u8>::RETAIN && !Borrowed::<u8>::BARE);
    assert_eq!(Borrowed::<u8>::QOS, QoS::ExactlyOnce);
    assert_eq!(HTTP2Frame::TYPE, "http2.frame");
    assert_eq!(Movement::TOPIC, "movement");
    assert_eq!(Ping::TYPE, "ping");
    assert_eq!(Generic::<u8, 3>::TYPE, "generic");
    assert_eq!((FromMacro::TYPE, FromMacro::TOPIC), ("from.macro", "from/macro"));
    let _ = (Movement::Forward { metres: 1.0 }, Movement::Stop, Generic::<u8, 3> { data: 1 });
}
