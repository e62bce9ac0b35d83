use tars_mqtt::prelude::*;

use std::rc::Rc;

#[subscribe("jobs")]
async fn read(_: Bytes) {
    let count = Rc::new(1);
    work().await;
    drop(count);
}

async fn work() {}

fn main() {}
