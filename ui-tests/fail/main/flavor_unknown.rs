#[tars_mqtt::main(flavor = "current")]
async fn main() {}
