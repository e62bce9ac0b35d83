//! A service whose handlers never finish: one waits, the other one blocks its thread.

use tars_mqtt::prelude::*;

#[subscribe("hang/{client}/wait", timeout = "off")]
async fn wait(client: String, text: String) {
    tracing::info!("waiting");
    println!("{client} waits: {text}");
    std::future::pending::<()>().await;
}

#[subscribe("hang/{client}/block", timeout = "off")]
async fn block(client: String, text: String) {
    println!("{client} blocks: {text}");
    loop {
        std::thread::park();
    }
}

#[tars_mqtt::main]
async fn main() {}
