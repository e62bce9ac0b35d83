#[tars_mqtt::main(source = "")]
async fn main() {}
