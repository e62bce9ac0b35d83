#[tars_mqtt::main(client_id = "my/service")]
async fn main() {}
