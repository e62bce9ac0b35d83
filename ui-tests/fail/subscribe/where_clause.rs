#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read(job: Bytes)
where
    Bytes: Clone,
{
}

fn main() {}
