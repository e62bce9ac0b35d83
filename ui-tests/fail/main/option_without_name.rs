#[tars_mqtt::main("my-service")]
async fn main() {}
