#[tars_mqtt::main(health = "off")]
async fn main() {}
