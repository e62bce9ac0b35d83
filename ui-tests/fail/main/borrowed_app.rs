use tars_mqtt::App;

#[tars_mqtt::main]
async fn main(app: &App) {}
