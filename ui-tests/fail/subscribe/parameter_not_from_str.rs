#![allow(unused_variables)]

use tars_mqtt::prelude::*;

struct Room;

#[subscribe("sensors/{room}")]
async fn read(room: Room) {}

fn main() {}
