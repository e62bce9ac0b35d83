use tars_mqtt::prelude::*;

struct JobError;

#[subscribe("jobs")]
async fn read(_: Bytes) -> Result<(), JobError> {
    Ok(())
}

fn main() {}
