#![allow(unused_variables)]

use tars_mqtt::Config;

#[tars_mqtt::main]
async fn main(config: Config) {}
