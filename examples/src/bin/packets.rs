//! Direct access to rumqttc, for what the framework does not cover: any packet can be sent, and all that
//! go over the connection can be seen.
//!
//! ```sh
//! cargo run --bin packets
//! ```

use std::time::{Duration, Instant};

use tars_mqtt::prelude::*;
use tars_mqtt::rumqttc::Packet;
use tars_mqtt::{Direction, Traffic};

/// How long a packet takes to the broker and back.
async fn round_trip(client: &Client) -> anyhow::Result<Duration> {
    let transport = client.rumqttc();
    let mut traffic = transport.watch();
    let start = Instant::now();
    transport.send(Packet::PingReq).await?;
    loop {
        let Traffic { direction, packet } = traffic.recv().await?;
        if direction == Direction::Incoming && packet == Packet::PingResp {
            return Ok(start.elapsed());
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let client = Client::connect(examples::config(&broker, "packets")?).await?;
    let elapsed = round_trip(&client).await?;
    println!("The broker has answered a ping.");
    println!("That took {elapsed:?}.");
    client.shutdown().await?;
    broker.stop().await?;
    Ok(())
}
