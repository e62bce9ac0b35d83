struct Failure;

#[tars_mqtt::main]
async fn main() -> Result<(), Failure> {
    Ok(())
}
