#[tars_mqtt::main]
struct Main;

fn main() {}
