#[tars_mqtt::main]
async fn main() -> u8 {
    1
}
