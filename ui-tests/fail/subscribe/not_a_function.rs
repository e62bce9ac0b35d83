use tars_mqtt::prelude::*;

#[subscribe("jobs")]
struct Read;

fn main() {}
