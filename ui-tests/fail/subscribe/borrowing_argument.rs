#![allow(unused_variables)]

use tars_mqtt::prelude::*;

use std::borrow::Cow;

#[subscribe("jobs")]
async fn read(job: Json<Cow<'_, str>>) {}

fn main() {}
