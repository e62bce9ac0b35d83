use tars_mqtt::{App, Client};

#[tars_mqtt::main]
async fn main(app: App, client: Client) {}
