#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe(qos = 1)]
async fn read(context: Context, line: Bytes) {}

fn main() {}
