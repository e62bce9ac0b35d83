#[tars_mqtt::main(heartbeat = "500ms")]
async fn main() {}
