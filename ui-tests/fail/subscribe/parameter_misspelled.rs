#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("sensors/{romo}/temperature")]
async fn read(room: String) {}

fn main() {}
