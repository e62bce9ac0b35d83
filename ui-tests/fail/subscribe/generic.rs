#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read<T>(job: Json<T>) {}

fn main() {}
