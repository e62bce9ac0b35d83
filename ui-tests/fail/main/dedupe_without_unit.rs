#[tars_mqtt::main(dedupe = 30)]
async fn main() {}
