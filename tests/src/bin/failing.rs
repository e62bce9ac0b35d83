//! A service that finds out at its start that it cannot work.

use std::io;

use tars_mqtt::prelude::*;

#[subscribe("orders")]
async fn store(_order: Bytes) {}

#[tars_mqtt::main(client_id = "failing")]
async fn main(app: App) -> Result<(), io::Error> {
    drop(app);
    Err(io::Error::other("the database is on holiday"))
}
