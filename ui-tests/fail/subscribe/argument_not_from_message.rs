#![allow(unused_variables)]

use tars_mqtt::prelude::*;

struct Job;

#[subscribe("jobs")]
async fn read(context: Context, job: Job) {}

fn main() {}
