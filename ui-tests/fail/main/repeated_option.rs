#[tars_mqtt::main(health, health = false)]
async fn main() {}
