#[tars_mqtt::main(clientid = "a")]
async fn main() {}
