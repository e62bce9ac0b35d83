#![allow(unused_variables)]

use tars_mqtt::prelude::*;

struct Db;

#[subscribe("jobs")]
async fn read(State(db): State<Db>) {}

fn main() {}
