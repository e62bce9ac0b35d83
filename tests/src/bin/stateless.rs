//! A service with a handler that asks for something it was never given.

use tars_mqtt::prelude::*;

#[derive(Clone)]
struct Database;

#[subscribe("orders")]
async fn store(State(_database): State<Database>, _order: Bytes) {}

#[tars_mqtt::main(client_id = "stateless")]
async fn main() {}
