#[tars_mqtt::main(heartbeat)]
async fn main() {}
