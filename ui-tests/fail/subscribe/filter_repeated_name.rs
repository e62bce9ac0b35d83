#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("{room}/{room}")]
async fn read(room: String) {}

fn main() {}
