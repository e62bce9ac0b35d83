#[tars_mqtt::main]
async fn main<T>() {}
