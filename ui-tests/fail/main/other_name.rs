#[tars_mqtt::main]
async fn start() {}
