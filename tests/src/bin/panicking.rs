//! A service whose handler panics with what it was sent.

use tars_mqtt::prelude::*;

#[subscribe("panic/{id}")]
async fn panicking(id: String, text: String) {
    println!("{id} panics");
    panic!("{text}");
}

#[tars_mqtt::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    match std::env::var("PANICKING_MAIN") {
        Ok(text) if text == "panic" => panic!("early\nERROR forged"),
        Ok(text) => Err(text),
        Err(_) => Ok(()),
    }
}
