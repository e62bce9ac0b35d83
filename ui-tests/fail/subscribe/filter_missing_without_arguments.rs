use tars_mqtt::prelude::*;

#[subscribe]
async fn tick() {}

fn main() {}
