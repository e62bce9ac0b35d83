#[tars_mqtt::main]
fn main() {}
