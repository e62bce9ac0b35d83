use tars_mqtt::prelude::*;

#[subscribe("jobs", qos = QoS::AtMostOnce)]
async fn read(_: Bytes) {}

fn main() {}
